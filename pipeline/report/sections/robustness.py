"""Robustness of the systems to corruptions and attacks."""

from pipeline.evaluation.tables import Row, read
from pipeline.report.axis import spanning
from pipeline.report.blocks import Figures, Section
from pipeline.report.colours import look
from pipeline.report.findings import Findings
from pipeline.report.plot import Line, Plot
from pipeline.report.wording import sentence, words

MOST_LINES = 8
AS_IT_IS = "none"


def section(findings: Findings) -> Section | None:
    folder = findings.inputs.inspection
    rows = read(folder / "robustness.csv")
    if not rows:
        return None
    conditions = dict.fromkeys(row["condition"] for row in rows if row["condition"] != AS_IT_IS)
    num = rows[0]["num_samples"]
    return Section(
        "robustness",
        "Robustness",
        f"{int(num):,} test images were corrupted, with a severity that rises to the right, or "
        "attacked through the gradients of one member (FGSM, PGD).",
        [Figures([_plot(findings, condition, rows) for condition in conditions])],
    )


def _plot(findings: Findings, condition: str, rows: list[Row]) -> Plot:
    """Plot the headline metric by strength for the chosen ensemble and the members."""
    own = [row for row in rows if row["condition"] in (condition, AS_IT_IS)]
    names = list(dict.fromkeys(row["system"] for row in own))
    members = [name for name in names if not findings.is_ensemble(name)][: MOST_LINES - 1]
    shown = [name for name in names if findings.is_ensemble(name)] + members
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in shown}
    for row in own:
        if row["system"] in points:
            points[row["system"]].append((float(row["strength"]), float(row[findings.headline])))
    every = [point for line in points.values() for point in line]
    return Plot(
        f"robustness_{condition}",
        sentence(words(condition)),
        "From left to right: the original images, then increasing strength.",
        spanning("strength", [x for x, _ in every]),
        spanning(findings.metric_name, [y for _, y in every]),
        lines=[
            Line(
                sorted(points[name]),
                "ensemble" if findings.is_ensemble(name) else look(place),
                name,
            )
            for place, name in enumerate(shown)
        ],
    )
