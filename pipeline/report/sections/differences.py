"""Pairwise comparisons of all systems."""

from pipeline.evaluation.tables import Row
from pipeline.report import wording
from pipeline.report.blocks import Figures, Section
from pipeline.report.findings import Findings
from pipeline.report.matrix import Heat, Matrix


def section(findings: Findings) -> Section | None:
    rows = findings.pairs
    if not rows:
        return None
    level = 1 - findings.params.evaluation.confidence
    num_shown = sum(float(row["p_corrected"]) < level for row in rows)
    most = max(abs(float(row["difference"])) for row in rows)
    fields = {}
    for row in rows:
        for pair, sign in (
            ((row["first"], row["second"]), 1),
            ((row["second"], row["first"]), -1),
        ):
            fields[pair] = _heat(findings, row, sign * float(row["difference"]), most, level)
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
        f"{num_shown} of {len(rows)} pairs differ significantly in {findings.metric_name}: "
        f"p < {level:.2g} after Holm's correction for all pairs.",
        [Figures([matrix])],
    )


def _heat(findings: Findings, row: Row, difference: float, most: float, level: float) -> Heat:
    """Return one cell of the matrix.

    Args:
        difference: the row's system minus the column's.
        most: the largest difference of all.
    """
    p = float(row["p_corrected"])
    is_shown = p < level
    is_better = difference * findings.sign > 0
    return Heat(
        wording.signed(findings.factor * difference, 2),
        abs(difference) / most if is_shown and most else 0.0,
        f"p = {wording.p_value(p)} corrected, {wording.p_value(float(row['p']))} uncorrected",
        ("better" if is_better else "worse") if is_shown else "quiet",
    )
