"""What is answered where something else is true."""

from collections import Counter

from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.tables import Row, read
from pipeline.report.bars import Scale, scale
from pipeline.report.blocks import (
    NONE,
    Block,
    Cell,
    Column,
    Heat,
    Matrix,
    Section,
    Table,
    count,
    estimated,
    text,
)
from pipeline.report.findings import Findings
from pipeline.report.sources import estimate
from pipeline.report.wording import percent, words

NAMES = {"classes": "class", "labels": "label", "values": "value"}
MOST_CLASSES = 24  # in a matrix
MOST_PAIRS = 30


def section(findings: Findings) -> Section | None:
    each, pairs = findings.table("per_class"), findings.table("confused_pairs")
    answers = read(findings.inputs.plots / "confusion.csv")
    blocks: list[Block] = []
    if answers and len(findings.card.classes) <= MOST_CLASSES:
        blocks.append(_confusion(findings, answers))
    if pairs:
        blocks.append(_pairs(pairs))
    if each:
        blocks.append(_each(findings, each))
    if not blocks:
        return None
    title = "How far off each value is" if findings.kind == "values" else "What is taken for what"
    return Section("answers", title, f"Of {findings.chosen}, on test.", blocks)


def _confusion(findings: Findings, rows: list[Row]) -> Matrix:
    classes = findings.card.classes
    counts = Counter((row["actual"], row["predicted"]) for row in rows)
    num_true = Counter(row["actual"] for row in rows)

    def heat(true: str, answered: str) -> Heat:
        num = counts[true, answered]
        share = num / max(num_true[true], 1)
        title = f"{true}, answered {answered}: {num:,} of {num_true[true]:,}, {percent(share)}"
        look = ("better" if true == answered else "worse") if num else "quiet"
        return Heat(f"{num:,}" if num else "·", share, title, look)

    return Matrix(
        "Confusion",
        "Rows are what is true, columns what was answered; the colour is the share of the row. Off "
        "the diagonal, in orange, are mistakes.",
        "true \\ answered",
        classes,
        [[heat(true, answered) for answered in classes] for true in classes],
    )


def _pairs(rows: list[Row]) -> Table:
    left_out = f" The first {MOST_PAIRS} of {len(rows)}." if len(rows) > MOST_PAIRS else ""
    return Table(
        "Taken for each other most often",
        "How often one is answered where the other is true." + left_out,
        [
            Column("true", is_number=False),
            Column("answered", is_number=False),
            Column("times"),
            Column("of"),
            Column("share"),
        ],
        [
            [
                text(row["true"]),
                text(row["answered"]),
                *(count(int(row[n])) for n in ("count", "num_true")),
                estimated(estimate(row, "share", "share_")),
            ]
            for row in rows[:MOST_PAIRS]
        ],
    )


def _each(findings: Findings, rows: list[Row]) -> Table:
    """One row a class, label or value, with all that each is measured by."""
    noun = NAMES[findings.kind]
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    found = {(row["name"], row["metric"]): estimate(row) for row in rows}
    scales = {
        metric: scale(metric, [own for (_, name), own in found.items() if name == metric])
        for metric in metrics
    }
    return Table(
        f"{noun.capitalize()} by {noun}",
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
    """None where the samples do not define it."""
    return estimated(found, common) if found else NONE
