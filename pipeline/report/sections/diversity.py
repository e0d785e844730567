"""Diversity: how differently members err, and what each contributes to the chosen ensemble."""

from pipeline.evaluation.tables import Row
from pipeline.report import wording
from pipeline.report.bars import scale
from pipeline.report.blocks import Block, Column, Figures, Section, Table, estimated, p_value
from pipeline.report.findings import MOST_SYSTEMS, Findings
from pipeline.report.matrix import Heat, Matrix
from pipeline.report.sources import estimate

MEANING = {
    "disagreement": "How often two members predict differently; the stronger the colour, the more "
    "an ensemble of the two can gain.",
    "error_correlation": "1: two members err on the same samples. 0: their errors are unrelated. "
    "The stronger the colour, the less an ensemble of the two can gain.",
}
DIGITS = 3
DISTANCE = "How far apart two members' predictions are, in standard deviations over train."


def section(findings: Findings) -> Section | None:
    pairs = findings.table("diversity")
    helped = findings.table("contributions")
    if not pairs and not helped:
        return None
    # Some pairs lack a figure, such as the correlation with a member that makes no error.
    defined = {measure: [row for row in pairs if row.get(measure)] for measure in MEANING}
    matrices = [_matrix(findings, rows, m) for m, rows in defined.items() if rows]
    blocks: list[Block] = [Figures(matrices)] if matrices else []
    if helped:
        blocks.append(_contributions(findings, helped))
    return Section(
        "diversity",
        "Diversity of the members",
        "An ensemble can only be better than its members where they err on different samples.",
        blocks,
    )


def _matrix(findings: Findings, pairs: list[Row], measure: str) -> Matrix:
    members = findings.choice["members"]
    names = [name for name in findings.systems if name in members][:MOST_SYSTEMS]
    most = max(abs(float(row[measure])) for row in pairs) or 1.0
    fields = {}
    for row in pairs:
        found = estimate(row, measure, f"{measure}_")
        heat = Heat(
            wording.figure(found.value, DIGITS),
            abs(found.value) / most,
            wording.interval(found[1:3], DIGITS),
        )
        fields[row["first"], row["second"]] = fields[row["second"], row["first"]] = heat
    is_distance = measure == "disagreement" and findings.kind == "values"
    return Matrix(
        measure,
        wording.sentence(wording.words(measure)),
        DISTANCE if is_distance else MEANING[measure],
        "member",
        names,
        [[fields.get((first, second)) for second in names] for first in names],
    )


def _contributions(findings: Findings, rows: list[Row]) -> Table:
    found = {row["member"]: estimate(row, "difference", "difference_") for row in rows}
    common = scale("difference", list(found.values()), marks_zero=True)
    better = "above" if findings.higher_is_better else "below"
    level = 1 - findings.params.evaluation.confidence
    return Table(
        f"What {findings.chosen} would lose without each member",
        f"The ensemble's {findings.metric_name} minus that of the same method fitted again without "
        f"the member: {better} 0, the member helps. Corrected for all members (Holm).",
        [
            Column("member", is_number=False),
            Column(f"difference in {findings.metric_name}"),
            Column("corrected p"),
        ],
        [
            [
                findings.name_cell(row["member"]),
                estimated(found[row["member"]], common, is_signed=True),
                p_value(float(row["p"]), is_shown=float(row["p"]) < level),
            ]
            for row in rows
        ],
    )
