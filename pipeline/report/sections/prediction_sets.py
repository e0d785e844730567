"""Prediction sets: how often they contain the true class, and how many classes they hold."""

from pipeline.evaluation.prediction_sets import ALL
from pipeline.evaluation.tables import Row
from pipeline.report import wording
from pipeline.report.blocks import Cell, Column, Section, Table, estimated, text
from pipeline.report.findings import Findings
from pipeline.report.sources import estimate

FIGURES = ("coverage", "mean_size", "single")
METHODS = (
    "lac: the smallest sets on average. aps: larger sets for harder samples. raps: the same, with "
    "a penalty for each further class. by class: a threshold for each class, so that the coverage "
    "holds within each."
)


def section(findings: Findings) -> Section | None:
    rows = findings.table("prediction_sets")
    if not rows:
        return None
    ensemble = findings.params.ensemble
    single = "the share of samples whose set is a single class"
    return Section(
        "prediction-sets",
        "Prediction sets",
        f"Beside its decision, the chosen ensemble names all classes that come into question: "
        f"sets meant to contain the true class of {wording.percent(ensemble.coverage)} of samples "
        f"or more. Validation alone sets their size (split conformal prediction); the figures are "
        f"from test. Single: {single}.",
        [
            _table("By method", METHODS, "method", [row for row in rows if row["name"] == ALL]),
            _table(
                "By class", "The sets in use.", "class",
                [row for row in rows if row["name"] != ALL], is_folded=True,
            ),
        ],
    )  # fmt: skip


def _table(
    title: str, meaning: str, first: str, rows: list[Row], *, is_folded: bool = False
) -> Table:
    return Table(
        title,
        meaning,
        [Column(first, is_number=False), *(Column(wording.words(name)) for name in FIGURES)],
        [
            [
                _method(row) if first == "method" else text(row["name"]),
                *(estimated(estimate(row, name, f"{name}_")) for name in FIGURES),
            ]
            for row in rows
        ],
        is_folded=is_folded,
    )


def _method(row: Row) -> Cell:
    name = row["method"] + (" by class" if row["by_class"] == "True" else "")
    return text(name)._replace(detail="used" if row["is_used"] == "True" else "")
