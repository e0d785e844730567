"""Recipes over their seeds: what each is worth on average, and which differ whatever the seed."""

from pipeline.evaluation.power import POWER
from pipeline.report import wording
from pipeline.report.blocks import (
    NONE,
    Block,
    Column,
    Section,
    Table,
    count,
    estimated,
    number,
    p_value,
    text,
)
from pipeline.report.findings import Findings
from pipeline.report.sources import estimate

MEANING = (
    "One network each says little about two recipes, since another seed gives another network. The "
    "intervals cover the variance of training as well as that of the test samples; what another "
    "training set would change is not in them."
)


def section(findings: Findings) -> Section | None:
    rows = findings.table("recipes")
    if not rows:
        return None
    blocks: list[Block] = [
        Table(
            f"Mean {findings.metric_name} over the seeds",
            "Only recipes with two seeds or more.",
            [
                Column("recipe", is_number=False),
                Column("seeds"),
                Column("mean"),
                Column("std over seeds"),
            ],
            [
                [
                    text(row["recipe"]),
                    count(float(row["num_seeds"])),
                    estimated(estimate(row, "mean", "mean_")),
                    number(float(row["std"])),
                ]
                for row in rows
            ],
        )
    ]
    if findings.table("recipe_pairs"):
        blocks.append(_pairs(findings))
    said = " ".join(f"{wording.sentence(one)}." for one in findings.comparison["over_seeds"][:3])
    return Section("recipes", "Recipes over their seeds", said, blocks)


def _pairs(findings: Findings) -> Table:
    level = 1 - findings.params.evaluation.confidence
    return Table(
        f"Differences in {findings.metric_name} between recipes",
        f"{MEANING} Variance from training: the part that more seeds would reduce. Seeds needed: "
        f"of each recipe, to show a difference of this size in {POWER:.0%} of cases; a dash where "
        f"no number would on these test samples. Corrected for all pairs (Holm).",
        [
            Column("first", is_number=False),
            Column("second", is_number=False),
            Column("first minus second"),
            Column("corrected p"),
            Column("variance from training"),
            Column("seeds needed"),
        ],
        [
            [
                text(row["first"]),
                text(row["second"]),
                estimated(estimate(row, "difference", "difference_"), is_signed=True),
                p_value(float(row["p_corrected"]), is_shown=float(row["p_corrected"]) < level),
                text(wording.percent(float(row["training_share"]))),
                count(int(row["seeds_needed"])) if row["seeds_needed"] else NONE,
            ]
            for row in findings.table("recipe_pairs")
        ],
    )
