"""The hyperparameter searches: the trials and their results."""

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
from pipeline.report.wording import setting_decimals, words

SPREAD = 20  # an axis is logarithmic if highest / lowest reaches this


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
        "Hyperparameter search",
        "Every trial of every search, scored on validation; members were trained with the settings "
        "of the best one.",
        blocks,
    )


def _study(recipe: str, rows: list[Row]) -> list[Block]:
    _, _, _, objective, *others = rows[0]
    keys = [key for key in others if "." in key]
    complete = [row for row in rows if row["state"] == "COMPLETE"]
    best = min(complete, key=lambda row: _value(row[objective], float("inf")), default=None)
    marks = {id(row): "ensemble" if row is best else "member" for row in rows}
    plots = [_plot(recipe, key, objective, rows, [marks[id(row)] for row in rows]) for key in keys]
    shown = Table(
        f"Trials of {recipe}",
        f"The trial with the lowest {words(objective)} is the best.",
        [
            Column("trial", is_number=False),
            Column(words(objective)),
            *(Column(key, decimals=setting_decimals) for key in keys),
        ],
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
    """Plot the objective against one setting."""
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
    meaning = "Orange: the chosen trial. The trials differ in all other settings as well."
    return Plot(f"search_{recipe}_{key}", f"{recipe}: {key}", meaning, across, up, marks)


def _axis(key: str, values: Sequence[str]) -> tuple[Axis, list[float]]:
    """Return the axis of one setting, and the positions of its values."""
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
    """Return a number; an empty field belongs to a trial that did not end."""
    return float(given) if given else missing


def _cell(given: str) -> Cell:
    """Return a number cell where the field holds one, otherwise its text."""
    try:
        return number(float(given)) if "." in given or "e" in given else count(float(given))
    except ValueError:
        return text(given or NONE.text)
