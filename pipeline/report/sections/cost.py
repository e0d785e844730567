"""The cost of accuracy, and how many members suffice."""

from collections.abc import Sequence

from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.tables import Row
from pipeline.report.axis import Axis, counting, spanning
from pipeline.report.blocks import Figures, Section
from pipeline.report.findings import Findings
from pipeline.report.plot import Band, Line, Mark, Plot
from pipeline.report.sources import estimate
from pipeline.report.wording import sentence


def section(findings: Findings) -> Section | None:
    plots = []
    if findings.prices:
        plots.append(_pareto(findings))
    sizes = findings.table("sizes")
    if sizes:
        plots.append(_sizes(findings, sizes))
    if not plots:
        return None
    return Section(
        "cost",
        "Accuracy and cost",
        "An ensemble runs all of its members on every image; whether the gain is worth it is a "
        "choice.",
        [Figures(plots)],
    )


def _pareto(findings: Findings) -> Plot:
    places = {
        name: (float(row["multiply_adds"]), findings.systems[name][findings.headline].value)
        for name, row in findings.prices.items()
    }
    best = [row["system"] for row in findings.prices.values() if row["on_frontier"] == "True"]
    estimates = {name: findings.systems[name][findings.headline] for name in places}
    marks = [
        Mark(
            *places[name],
            f"{name}: {findings.metric_name} {found.value:.4g} at {places[name][0]:,.0f}",
            findings.look(name),
            name if name in (*best, findings.chosen) else "",
            found.low,
            found.high,
        )
        for name, found in estimates.items()
    ]
    students = "; green: networks that learned from the ensemble" * bool(findings.params.distil)
    return Plot(
        "cost",
        f"{sentence(findings.metric_name)} against cost",
        f"Blue: members; orange: ensembles{students}. The line is the Pareto frontier: no known "
        "system is both cheaper and better than those on it.",
        spanning("multiply-adds for one image", [x for x, _ in places.values()], is_log=True),
        _axis(findings, list(estimates.values())),
        marks,
        [Line([places[name] for name in best], "front")],
    )


def _sizes(findings: Findings, rows: list[Row]) -> Plot:
    found = [estimate(row, "figure", "figure_") for row in rows]
    nums = [float(row["num_members"]) for row in rows]
    marks = [
        Mark(num, own.value, f"{num:.0f}, with {row['added']}: {own.value:.4g}", "ensemble")
        for num, own, row in zip(nums, found, rows, strict=True)
    ]
    return Plot(
        "sizes",
        "How many members are enough?",
        "The mean of the first one, two, … all members, in the order in which they help most on "
        f"validation; the band is the {findings.params.evaluation.confidence:.0%} interval.",
        counting("members", nums),
        _axis(findings, found),
        marks,
        [Line(list(zip(nums, [own.value for own in found], strict=True)), "ensemble")],
        [Band(nums, [own.low for own in found], [own.high for own in found])],
    )


def _axis(findings: Findings, found: Sequence[Estimate]) -> Axis:
    return spanning(findings.metric_name, [end for own in found for end in own[:3]])
