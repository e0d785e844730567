"""Pairwise comparisons of all systems."""

from pipeline.evaluation.tables import Row
from pipeline.report import wording
from pipeline.report.blocks import Figures, Section
from pipeline.report.findings import Findings
from pipeline.report.matrix import Heat, Matrix

POINT_DIGITS = 2


def section(findings: Findings) -> Section | None:
    rows = findings.pairs
    if not rows:
        return None
    level = 1 - findings.params.evaluation.confidence
    num_shown = sum(float(row["p_corrected"]) < level for row in rows)
    verb = "differs" if num_shown == 1 else "differ"
    every = [findings.factor * float(row["difference"]) for row in rows]
    most = max(map(abs, every))
    digits = wording.decimals(every) if findings.kind == "values" else POINT_DIGITS
    fields = {}
    for row in rows:
        for pair, sign in (
            ((row["first"], row["second"]), 1),
            ((row["second"], row["first"]), -1),
        ):
            own = sign * findings.factor * float(row["difference"])
            is_better = own * findings.sign > 0
            fields[pair] = _heat(
                row,
                level,
                wording.signed(own, digits),
                abs(own) / (most or 1.0),
                is_better=is_better,
            )
    names = findings.shown_systems
    matrix = Matrix(
        "differences",
        f"Row minus column: {findings.metric_name}{findings.unit}",
        "Blue: the system of the row is better. Orange: it is worse. No colour: no difference is "
        "shown." + findings.only_best,
        "row minus column",
        names,
        [[fields.get((first, second)) for second in names] for first in names],
    )
    return Section(
        "differences",
        "Pairwise comparisons",
        f"{num_shown or 'None'} of the {len(rows)} pairs {verb} significantly in "
        f"{findings.metric_name}: p < {level:.2g} after Holm's correction for all pairs.",
        [Figures([matrix])],
    )


def _heat(row: Row, level: float, text: str, share: float, *, is_better: bool) -> Heat:
    """Return one cell of the matrix, in colour if the difference is significant."""
    p = float(row["p_corrected"])
    is_shown = p < level
    return Heat(
        text,
        share if is_shown else 0.0,
        f"{wording.p_text(p)} corrected, {wording.p_text(float(row['p']))} uncorrected",
        ("better" if is_better else "worse") if is_shown else "quiet",
    )
