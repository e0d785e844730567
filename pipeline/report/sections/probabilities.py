"""The quality of the probabilities: calibration and the trade-offs of thresholds."""

from pipeline.evaluation.tables import Row
from pipeline.report.axis import Axis
from pipeline.report.blocks import Block, Column, Figures, Section, Table, estimated, number, text
from pipeline.report.colours import look
from pipeline.report.findings import Findings
from pipeline.report.plot import Line, Mark, Plot
from pipeline.report.sources import estimate
from pipeline.report.wording import words

MOST_CURVES = 12
SHARE = (0.0, 1.0)
TESTS = {"expected": "error if perfect", "debiased": "debiased error", "p": "p if perfect"}
"""Columns of the table of calibration, by their name in the results."""


def section(findings: Findings) -> Section | None:
    plots = [plot for draw in (_reliability, _roc, _precision_recall) if (plot := draw(findings))]
    rows = findings.table("calibration")
    blocks: list[Block] = [Figures(plots)] if plots else []
    if rows:
        blocks.append(_calibration(findings, rows))
    if not blocks:
        return None
    return Section(
        "probabilities",
        "Uncertainty of the values"
        if findings.kind == "values"
        else "Quality of the probabilities",
        f"Curves of {findings.chosen}, the chosen ensemble, on test." if plots else "",
        blocks,
    )


def _reliability(findings: Findings) -> Plot | None:
    rows = findings.table("reliability")
    rows = [row for row in rows if row["curve"] == rows[0]["curve"]]  # all classes together
    if not rows:
        return None
    found = [estimate(row, "observed") for row in rows]
    places = [float(row["predicted"]) for row in rows]
    return Plot(
        "reliability",
        "Reliability diagram",
        "On the dashed line, 80% of the predictions made with a probability of 80% are right. "
        "Below it the ensemble is overconfident, above it underconfident.",
        Axis("predicted probability", *SHARE),
        Axis("observed frequency", *SHARE),
        [
            Mark(
                x,
                own.value,
                f"{own.num_samples:,} samples: {x:.3f} predicted, {own.value:.3f} observed",
                "ensemble",
                low=own.low,
                high=own.high,
            )
            for x, own in zip(places, found, strict=True)
        ],
        [Line([(0.0, 0.0), (1.0, 1.0)], "even")],
    )


def _roc(findings: Findings) -> Plot | None:
    return _curves(
        findings,
        "roc",
        "false_positive_rate",
        "true_positive_rate",
        "ROC curve",
        "The true positive rate against the false positive rate at every threshold. The nearer to "
        "the upper left corner, the better.",
        [Line([(0.0, 0.0), (1.0, 1.0)], "even")],
    )


def _precision_recall(findings: Findings) -> Plot | None:
    return _curves(
        findings,
        "precision_recall",
        "recall",
        "precision",
        "Precision-recall curve",
        "Precision, the fraction of predictions that are right, against recall, the fraction of a "
        "class that is found, at every threshold. The nearer to the upper right corner, the "
        "better.",
        [],
    )


def _curves(
    findings: Findings, table: str, x: str, y: str, title: str, meaning: str, others: list[Line]
) -> Plot | None:
    by_name: dict[str, list[tuple[float, float]]] = {}
    for row in findings.table(table):
        by_name.setdefault(row["curve"], []).append((float(row[x]), float(row[y])))
    names = list(by_name)
    if not names:
        return None
    left_out = (
        f" The first {MOST_CURVES} of {len(names)} classes." if len(names) > MOST_CURVES else ""
    )
    lines = [
        Line(by_name[name], look(place), name) for place, name in enumerate(names[:MOST_CURVES])
    ]
    across, up = (Axis(words(name), *SHARE) for name in (x, y))
    return Plot(table, title, meaning + left_out, across, up, lines=[*others, *lines])


def _calibration(findings: Findings, rows: list[Row]) -> Table:
    tests = {} if findings.kind == "values" else TESTS
    figures = [name.removesuffix("_low") for name in rows[0] if name.endswith("_low")]
    return Table(
        "Effect of calibration on test",
        "Each calibrator was fitted on validation. The one in use suited best there, on samples "
        "it was not fitted on."
        + (
            " Few samples bias the calibration error upwards: beside it stand the error that "
            "perfect calibration would show, an estimate with most of the bias taken off, and the "
            "p-value of perfect calibration. It has no interval, since none would cover."
            if tests
            else ""
        ),
        [
            Column("system", is_number=False),
            Column("calibrator", is_number=False),
            *(Column(words(name)) for name in figures),
            *(Column(heading) for heading in tests.values()),
        ],
        [
            [
                findings.name_cell(row["system"])._replace(detail=""),
                text(row["calibrator"])._replace(detail="used" if row["is_used"] == "True" else ""),
                *(estimated(estimate(row, name, f"{name}_")) for name in figures),
                *(number(float(row[name])) for name in tests),
            ]
            for row in rows
        ],
        is_folded=True,
    )
