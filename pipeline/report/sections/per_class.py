"""The confusion matrix, the most confused pairs, and metrics by class, label or value."""

from collections import Counter

from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.tables import Row
from pipeline.report.bars import Scale, scale
from pipeline.report.blocks import (
    NONE,
    Block,
    Cell,
    Column,
    Figures,
    Section,
    Table,
    count,
    estimated,
    text,
)
from pipeline.report.findings import Findings
from pipeline.report.matrix import Heat, Matrix
from pipeline.report.sources import estimate
from pipeline.report.wording import percent, words

NAMES = {"classes": "class", "labels": "label", "values": "value"}
TITLES = {
    "classes": "Confusion matrix and metrics by class",
    "labels": "Metrics by label",
    "values": "Metrics by value",
}
MOST_CLASSES = 24  # in a matrix
MOST_PAIRS = 30


def section(findings: Findings) -> Section | None:
    each, pairs = findings.table("per_class"), findings.table("confused_pairs")
    confusions = findings.table("confusion")
    blocks: list[Block] = []
    if confusions and len(findings.card.classes) <= MOST_CLASSES:
        blocks.append(Figures([_confusion(findings, confusions)]))
    if pairs:
        blocks.append(_pairs(pairs))
    if each:
        blocks.append(_each(findings, each))
    if not blocks:
        return None
    title = TITLES[findings.kind]
    return Section("per_class", title, f"The chosen ensemble, {findings.chosen}, on test.", blocks)


def _confusion(findings: Findings, rows: list[Row]) -> Matrix:
    classes = findings.card.classes
    counts = Counter({(row["true"], row["predicted"]): int(row["count"]) for row in rows})
    num_true = {true: sum(counts[true, predicted] for predicted in classes) for true in classes}

    def heat(true: str, predicted: str) -> Heat:
        num = counts[true, predicted]
        share = num / max(num_true[true], 1)
        title = f"{true}, predicted {predicted}: {num:,} of {num_true[true]:,}, {percent(share)}"
        look = ("better" if true == predicted else "worse") if num else "quiet"
        return Heat(f"{num:,}" if num else "·", share, title, look)

    return Matrix(
        "confusion",
        "Confusion matrix",
        "Rows are true classes, columns predicted ones; the colour is the proportion of the row. "
        "Mistakes lie off the diagonal, in orange.",
        "true \\ predicted",
        classes,
        [[heat(true, predicted) for predicted in classes] for true in classes],
    )


def _pairs(rows: list[Row]) -> Table:
    left_out = f" The first {MOST_PAIRS} of {len(rows)}." if len(rows) > MOST_PAIRS else ""
    return Table(
        "Most frequent confusions",
        "How often one is predicted where the other is true." + left_out,
        [
            Column("true", is_number=False),
            Column("predicted", is_number=False),
            Column("times"),
            Column("of"),
            Column("share"),
        ],
        [
            [
                text(row["true"]),
                text(row["predicted"]),
                *(count(int(row[n])) for n in ("count", "num_true")),
                estimated(estimate(row, "share", "share_")),
            ]
            for row in rows[:MOST_PAIRS]
        ],
    )


def _each(findings: Findings, rows: list[Row]) -> Table:
    """Return a row for each class, label or value, with all of its metrics."""
    noun = NAMES[findings.kind]
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    found = {(row["name"], row["metric"]): estimate(row) for row in rows}
    scales = {
        metric: scale(metric, [own for (_, name), own in found.items() if name == metric])
        for metric in metrics
    }
    return Table(
        f"Metrics by {noun}",
        "",
        [
            Column(noun, is_number=False),
            *(Column(words(metric)) for metric in metrics),
        ],
        [
            [
                text(name),
                *(_figure(found.get((name, metric)), scales[metric]) for metric in metrics),
            ]
            for name in dict.fromkeys(row["name"] for row in rows)
        ],
    )


def _figure(found: Estimate | None, common: Scale) -> Cell:
    """Return a dash where the samples leave the metric undefined."""
    return estimated(found, common) if found else NONE
