"""The hyperparameter searches: the trials and their results."""

from collections.abc import Sequence
from math import isfinite

from pipeline.core.files import read_json
from pipeline.evaluation.tables import read
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
from pipeline.report.plot import Line, Mark, Plot
from pipeline.report.searched import StudyTrials
from pipeline.report.wording import setting_decimals, words

SPREAD = 20  # an axis is logarithmic if highest / lowest reaches this


def section(findings: Findings) -> Section | None:
    blocks: list[Block] = []
    for recipe in findings.params.recipes:
        folder = findings.inputs.search(recipe)
        rows = read(folder / "trials.csv")
        if rows and (folder / "study.json").is_file():
            blocks += _study(StudyTrials(recipe, rows, read_json(folder / "study.json")))
    if not blocks:
        return None
    return Section(
        "search",
        "Hyperparameter search",
        "Every trial of every search, scored on validation; members were trained with the settings "
        "of the chosen one.",
        blocks,
    )


def _study(study: StudyTrials) -> list[Block]:
    plots = [_history(study)]
    if len(study.objectives) > 1:
        plots.append(_front(study))
    if len(study.keys) > 1:
        plots.append(_parallel(study))
    plots += [_plot(study, key) for key in study.keys]
    blocks: list[Block] = [Figures(plots), _trials(study)]
    if study.importances:
        blocks.insert(1, _importances(study))
    return blocks


def _trials(study: StudyTrials) -> Table:
    objective = words(study.objective)
    return Table(
        f"Trials of {study.recipe}",
        f"The chosen trial was the best one by {objective}."
        if len(study.objectives) == 1
        else f"No trial is better by {' and '.join(map(words, study.objectives))} than one on the "
        "front.",
        [
            Column("trial", is_number=False),
            Column("state", is_number=False),
            Column("epochs"),
            *(Column(words(name)) for name in study.metrics),
            *(Column(key, decimals=setting_decimals) for key in study.keys),
        ],
        [
            [
                _cell(row["trial"])._replace(detail=study.rank(row)),
                text(row["state"].lower()),
                *(_cell(row[key]) for key in ("epochs", *study.metrics, *study.keys)),
            ]
            for row in study.rows
        ],
    )


def _history(study: StudyTrials) -> Plot:
    """Plot the objective by trial, with the best so far."""
    scored = study.scored(study.objective)
    marks = [
        Mark(float(row["trial"]), value, study.called(row, value), study.look(row))
        for row, value in scored
    ]
    best, line = None, []
    for mark in marks:
        is_better = best is None or (mark.y - best) * study.sign < 0
        best = mark.y if is_better else best
        assert best is not None
        line.append((mark.x, best))
    return Plot(
        f"search_{study.recipe}_history",
        f"{study.recipe}: the search over its trials",
        "Orange: the chosen trial. The line is the best of all trials so far; those that were "
        "pruned are shown where they stopped.",
        spanning("trial", [mark.x for mark in marks]),
        _amounts(words(study.objective), [mark.y for mark in marks]),
        marks,
        [Line(line, "member")],
    )


def _front(study: StudyTrials) -> Plot:
    """Plot two objectives against each other, with the Pareto front."""
    first, second = study.objectives[:2]
    rows = [row for row in study.rows if row["state"] == "COMPLETE"]
    places = {row["trial"]: (float(row[second]), float(row[first])) for row in rows}
    marks = [Mark(*places[row["trial"]], f"trial {row['trial']}", study.look(row)) for row in rows]
    line = sorted(places[f"{trial}"] for trial in study.front)
    return Plot(
        f"search_{study.recipe}_front",
        f"{study.recipe}: {words(first)} against {words(second)}",
        "Orange: the chosen trial. The line is the Pareto front: no trial is better than those on "
        "it by every objective.",
        _amounts(words(second), [x for x, _ in places.values()]),
        _amounts(words(first), [y for _, y in places.values()]),
        marks,
        [Line(line, "front")],
    )


def _parallel(study: StudyTrials) -> Plot:
    """Plot each trial as a line through its settings and its objective."""
    keys = [*study.keys, study.objective]
    scored = [row for row, _ in study.scored(study.objective)]
    points: dict[str, list[tuple[float, float]]] = {row["trial"]: [] for row in scored}
    for i, key in enumerate(keys):
        searched = [row for row in scored if row[key]]
        axis, amounts = _axis(key, [row[key] for row in searched])
        for row, amount in zip(searched, amounts, strict=True):
            points[row["trial"]].append((float(i), axis.place(amount)))
    ordered = sorted(scored, key=lambda row: study.look(row) == "ensemble")
    lines = [Line(points[row["trial"]], study.look(row)) for row in ordered]
    return Plot(
        f"search_{study.recipe}_parallel",
        f"{study.recipe}: all settings of each trial",
        "One line for each trial, orange for the chosen one; at each name, from the lowest value "
        "that was tried, below, to the highest. A line passes over an axis that was not searched "
        "in its trial.",
        naming("", [words(key.rpartition(".")[2]) for key in keys]),
        Axis("position in its range", 0.0, 1.0),
        lines=lines,
    )


def _importances(study: StudyTrials) -> Table:
    ordered = sorted(study.importances.items(), key=lambda item: (-item[1], item[0]))
    return Table(
        f"What decides about {study.recipe}",
        "The share of each axis in what sets the best tenth of the trials apart from all of them "
        "(PED-ANOVA); the shares add up to 1.",
        [Column("axis", is_number=False), Column("share")],
        [[text(key), number(share)] for key, share in ordered],
    )


def _plot(study: StudyTrials, key: str) -> Plot:
    """Plot the objective against one setting."""
    scored = [(row, value) for row, value in study.scored(study.objective) if row[key]]
    across, places = _axis(key, [row[key] for row, _ in scored])
    marks = [
        Mark(place, value, study.called(row, value, key), study.look(row))
        for place, (row, value) in zip(places, scored, strict=True)
    ]
    up = _amounts(words(study.objective), [value for _, value in scored])
    meaning = "Orange: the chosen trial. The trials differ in all other settings as well."
    name = f"search_{study.recipe}_{key}"
    return Plot(name, f"{study.recipe}: {key}", meaning, across, up, marks)


def _axis(key: str, values: Sequence[str]) -> tuple[Axis, list[float]]:
    """Return the axis of one setting, and the positions of its values."""
    try:
        amounts = [float(value) for value in values]
    except ValueError:
        names = sorted(set(values))
        return naming(key, names), [float(names.index(value)) for value in values]
    return _amounts(key, amounts), amounts


def _amounts(label: str, values: Sequence[float]) -> Axis:
    finite = [value for value in values if isfinite(value)]
    is_wide = min(finite, default=0) > 0 and max(finite) / min(finite) > SPREAD
    return spanning(label, values, is_log=is_wide)


def _cell(given: str) -> Cell:
    """Return a number cell where the field holds one, otherwise its text."""
    try:
        return number(float(given)) if "." in given or "e" in given else count(float(given))
    except ValueError:
        return text(given or NONE.text)
