"""Advice: what further members would bring, or that one network is enough."""

from pipeline.evaluation.advice import LOSSES
from pipeline.report import wording
from pipeline.report.blocks import Column, Facts, Section, Table, count, estimated, text
from pipeline.report.findings import Findings
from pipeline.report.sources import estimate

FIGURES = {
    "loss": "one seed",
    "twice": "mean of twice as many",
    "limit": "mean of any number",
    "error_correlation": "common to the seeds",
    "saved": "saved by one more",
}
MEANING = (
    "The loss of the mean of m seeds is a + b / m, where a is what the seeds err alike. Common to "
    "the seeds: a, as a share of the loss of one. Saved by one more: how much lower the loss of "
    "the mean of the best members would be with one more seed of the recipe."
)


def section(findings: Findings) -> Section | None:
    said = findings.comparison["advice"]
    if not said:
        return None
    rows, name = findings.table("advice"), LOSSES[findings.kind]
    facts = Facts(
        [(f"{i}", wording.sentence(s.removeprefix("advice: "))) for i, s in enumerate(said, 1)]
    )
    table = Table(
        f"What more seeds would bring: {name}",
        MEANING,
        [Column("recipe", is_number=False), Column("seeds"), *map(Column, FIGURES.values())],
        [
            [
                text(row["recipe"]),
                count(int(row["num_seeds"])),
                *(
                    estimated(estimate(row, figure, f"{figure}_"), is_signed=figure == "saved")
                    for figure in FIGURES
                ),
            ]
            for row in rows
        ],
    )
    return Section(
        "advice",
        "What to try next",
        "Estimated on validation, so that test has no part in what is tried next.",
        [facts, table] if rows else [facts],
    )
