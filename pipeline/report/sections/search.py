"""The sweeps: what was tried, and what it reached."""

from collections.abc import Sequence
from math import isfinite

from pipeline.evaluation.tables import Row, read
from pipeline.report.axis import Axis, naming, spanning
from pipeline.report.blocks import (
    NONE,
    Block,
    Cell,
    Column,
    Figures,
    Section,
    Table,
    count,
    number,
    text,
)
from pipeline.report.findings import Findings
from pipeline.report.plot import Mark, Plot
from pipeline.report.wording import words

SPREAD = 20  # the highest over the lowest, from where on an axis is logarithmic


def section(findings: Findings) -> Section | None:
    blocks: list[Block] = []
    for recipe in findings.params.recipes:
        rows = read(findings.inputs.search(recipe) / "trials.csv")
        if rows:
            blocks += _study(recipe, rows)
    if not blocks:
        return None
    return Section(
        "search",
        "How the settings were found",
        "Every trial of every search, scored on validation; the best one's settings are those that "
        "the members were trained with.",
        blocks,
    )


def _study(recipe: str, rows: list[Row]) -> list[Block]:
    _, objective, *keys = rows[0]
    best = min(rows, key=lambda row: _value(row[objective], float("inf")))
    marks = {id(row): "ensemble" if row is best else "member" for row in rows}
    plots = [_plot(recipe, key, objective, rows, [marks[id(row)] for row in rows]) for key in keys]
    shown = Table(
        f"Trials of {recipe}",
        f"The lowest {words(objective)} is the best.",
        [Column("trial"), Column(words(objective)), *(Column(key) for key in keys)],
        [
            [
                _cell(row["trial"])._replace(detail="chosen" if row is best else ""),
                *(_cell(row[key]) for key in (objective, *keys)),
            ]
            for row in rows
        ],
    )
    return [Figures(plots), shown]


def _plot(recipe: str, key: str, objective: str, rows: list[Row], looks: Sequence[str]) -> Plot:
    """The objective against one setting."""
    across, places = _axis(key, [row[key] for row in rows])
    heights = [_value(row[objective], float("nan")) for row in rows]
    kept = [i for i, height in enumerate(heights) if isfinite(height)]
    marks = [
        Mark(
            places[i],
            heights[i],
            f"trial {rows[i]['trial']}: {key} = {rows[i][key]}, {heights[i]:.4g}",
            looks[i],
        )
        for i in kept
    ]
    up = _amounts(words(objective), [heights[i] for i in kept])
    meaning = "Orange: the trial that was chosen; it differs from the others in all settings."
    return Plot(f"{recipe}: {key}", meaning, across, up, marks)


def _axis(key: str, values: Sequence[str]) -> tuple[Axis, list[float]]:
    """The axis of one setting, and where its values are."""
    try:
        amounts = [float(value) for value in values]
    except ValueError:
        names = sorted(set(values))
        return naming(key, names), [float(names.index(value)) for value in values]
    return _amounts(key, amounts), amounts


def _amounts(label: str, values: Sequence[float]) -> Axis:
    is_wide = min(values, default=0) > 0 and max(values) / min(values) > SPREAD
    return spanning(label, values, is_log=is_wide)


def _value(given: str, missing: float) -> float:
    """An empty field is a trial that did not end."""
    return float(given) if given else missing


def _cell(given: str) -> Cell:
    """A number where it is one."""
    try:
        return number(float(given)) if "." in given or "e" in given else count(float(given))
    except ValueError:
        return text(given or NONE.text)
