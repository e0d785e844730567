"""Learning curves of the members."""

from pipeline.report.axis import counting, spanning
from pipeline.report.blocks import Figures, Section
from pipeline.report.colours import look
from pipeline.report.findings import Findings
from pipeline.report.plot import Line, Plot
from pipeline.report.wording import words

MOST_LINES = 16


def section(findings: Findings) -> Section | None:
    rows = findings.table("learning_curves")
    if not rows:
        return None
    _, _, monitor = rows[0]
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        curves.setdefault(row["member"], []).append((float(row["epoch"]), float(row[monitor])))
    names = list(curves)[:MOST_LINES]
    left_out = f" The first {MOST_LINES} of {len(curves)}." if len(curves) > MOST_LINES else ""
    points = [point for name in names for point in curves[name]]
    plot = Plot(
        "learning_curves",
        "Learning curves",
        "The validation loss after each epoch. A curve that still falls at its end was trained too "
        "briefly, one that rises too long." + left_out,
        counting("epoch", [x for x, _ in points]),
        spanning(words(monitor), [y for _, y in points], is_log=min(y for _, y in points) > 0),
        lines=[Line(curves[name], look(place), name) for place, name in enumerate(names)],
    )
    return Section("training", "Training of the members", "", [Figures([plot])])
