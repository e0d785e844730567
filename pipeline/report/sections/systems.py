"""Members and ensembles with their metrics, intervals and costs, in sortable tables."""

from pipeline.evaluation.intervals import Estimate
from pipeline.report import wording
from pipeline.report.bars import scale
from pipeline.report.blocks import (
    NONE,
    Cell,
    Column,
    Section,
    Table,
    count,
    estimated,
    p_value,
    text,
)
from pipeline.report.findings import Findings
from pipeline.report.sources import estimate

PRICES = {
    "num_members": "members",
    "num_parameters": "parameters",
    "multiply_adds": "multiply-adds",
}
METRICS_A_TABLE = 4  # as many as fit on a printed page


def section(findings: Findings) -> Section:
    name = findings.metric_name
    direction = "higher" if findings.higher_is_better else "lower"
    rest = [metric for metric in findings.metrics if metric != findings.headline]
    parts = [rest[at : at + METRICS_A_TABLE] for at in range(0, len(rest), METRICS_A_TABLE)]
    return Section(
        "systems",
        "Members and ensembles",
        f"All were measured on the same {findings.num_samples:,} test samples, which were not used "
        f"for any fit or choice. Brackets hold "
        f"{findings.params.evaluation.confidence:.0%} intervals.",
        [
            Table(
                f"Systems by {name}",
                f"The best by {name} comes first ({direction} is better); press a heading to sort "
                f"by it. The p-values are corrected for all pairs of systems, unlike that of the "
                f"verdict, whose pair validation names. Multiply-adds are for one image.",
                [*_first_columns(name), *_last_columns()],
                [_row(findings, system) for system in findings.systems],
            ),
            *(_further(findings, part) for part in parts),
        ],
    )


def _first_columns(name: str) -> list[Column]:
    return [
        Column("system", is_number=False),
        Column("kind", is_number=False),
        Column(name),
        Column("difference from best member"),
        Column("corrected p"),
    ]


def _last_columns() -> list[Column]:
    return [
        *map(Column, PRICES.values()),
        Column("calibrator", is_number=False),
    ]


def _row(findings: Findings, system: str) -> list[Cell]:
    estimates = [figures[findings.headline] for figures in findings.systems.values()]
    own = findings.systems[system][findings.headline]
    return [
        findings.name_cell(system),
        text(findings.look(system)),
        estimated(own, scale(findings.headline, estimates)),
        *_difference(findings, system),
        *(count(float(findings.prices[system][name])) for name in PRICES),
        text(findings.calibrators[system]),
    ]


def _difference(findings: Findings, system: str) -> list[Cell]:
    """Return the difference from the best member, and its p-value."""
    for row in findings.pairs:
        if {row["first"], row["second"]} == {system, findings.best_member}:
            found, p = estimate(row, "difference", "difference_"), float(row["p_corrected"])
            if system == row["second"]:
                found = Estimate(-found.value, -found.high, -found.low, found.num_samples)
            return [
                estimated(found, is_signed=True),
                p_value(p, is_shown=p < 1 - findings.params.evaluation.confidence),
            ]
    return [NONE, NONE]


def _further(findings: Findings, metrics: list[str]) -> Table:
    names = [wording.words(metric) for metric in metrics]
    return Table(
        f"By {', '.join(names)}",
        "",
        [Column("system", is_number=False), *map(Column, names)],
        [
            [findings.name_cell(system), *(estimated(figures[metric]) for metric in metrics)]
            for system, figures in findings.systems.items()
        ],
        is_folded=True,
    )
