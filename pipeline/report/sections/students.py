"""Networks that learned from the ensemble: what each of them saves, and what it loses."""

from pipeline.evaluation.tables import Row
from pipeline.report.blocks import Cell, Column, Section, Table, estimated, p_value
from pipeline.report.findings import Findings
from pipeline.report.sources import estimate


def section(findings: Findings) -> Section | None:
    rows = findings.table("students")
    if not rows:
        return None
    return Section(
        "students",
        "Networks that learned from the ensemble",
        "Each is one network, trained on what the ensemble predicts for samples that it has not "
        "learned from, and on the labels. None of them is part of any ensemble.",
        [
            Table(
                f"Students by {findings.metric_name}",
                "Multiply-adds are for one image. A difference is the student minus the other; "
                "p-values are corrected for all comparisons of students.",
                [
                    Column("student", is_number=False),
                    Column("compared with", is_number=False),
                    Column("share of its multiply-adds"),
                    Column(f"difference in {findings.metric_name}"),
                    Column("corrected p"),
                ],
                [_row(findings, row) for row in rows],
            )
        ],
    )


def _row(findings: Findings, row: Row) -> list[Cell]:
    share, p = float(row["cost_share"]), float(row["p_corrected"])
    return [
        findings.name_cell(row["student"]),
        findings.name_cell(row["other"]),
        Cell(f"{100 * share:.3g}%", share),
        estimated(estimate(row, "difference", "difference_"), is_signed=True),
        p_value(p, is_shown=p < 1 - findings.params.evaluation.confidence),
    ]
