"""Slices of test on which the chosen ensemble is weak."""

from pipeline.evaluation.tables import Row
from pipeline.report.bars import scale
from pipeline.report.blocks import Column, Section, Table, count, estimated, p_value, text
from pipeline.report.findings import Findings
from pipeline.report.sources import estimate

MOST = 60


def section(findings: Findings) -> Section | None:
    rows = findings.table("slices")
    if not rows:
        return None
    level = 1 - findings.params.evaluation.confidence
    weak = [row for row in rows if _is_weak(row, level)]
    name = findings.metric_name
    common = scale(name, [estimate(row, "figure", "figure_") for row in rows])
    verb = "are" if len(weak) > 1 else "is"
    found = f"{len(weak) or 'None'} of the {len(rows)} parts of test {verb} shown to be weaker"
    left_out = f" The first {MOST} of {len(rows)}." if len(rows) > MOST else ""
    return Section(
        "slices",
        "Performance by slice",
        f"{found} than the rest: p < {level:.2g} after Holm's correction for all parts.",
        [
            Table(
                f"The chosen ensemble, {findings.chosen}, on parts of test",
                "Weak ones come first; each difference is from all other samples." + left_out,
                [
                    Column("part", is_number=False),
                    Column("samples"),
                    Column(name),
                    Column("difference"),
                    Column("corrected p"),
                ],
                [
                    [
                        text(f"{row['column']}: {row['part']}")._replace(
                            detail="weak" if _is_weak(row, level) else ""
                        ),
                        count(int(row["num_samples"])),
                        estimated(estimate(row, "figure", "figure_"), common),
                        estimated(estimate(row, "difference", "difference_"), is_signed=True),
                        p_value(float(row["p"]), is_shown=_is_weak(row, level)),
                    ]
                    for row in rows[:MOST]
                ],
            )
        ],
    )


def _is_weak(row: Row, level: float) -> bool:
    return float(row["p"]) < level
