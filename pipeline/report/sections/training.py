"""The members: their settings and learning curves."""

from typing import Any

from pipeline.config.recipes import trial_of
from pipeline.core.files import read_json
from pipeline.core.tree import flatten
from pipeline.evaluation.tables import read
from pipeline.report.axis import counting, spanning
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
from pipeline.report.colours import look
from pipeline.report.findings import Findings
from pipeline.report.plot import Line, Plot
from pipeline.report.wording import setting_decimals, words

MOST_LINES = 16


def section(findings: Findings) -> Section:
    params = findings.params
    trials = [member.recipe for member in params.members.values() if member.trial]
    recipes = {
        recipe: read_json(findings.inputs.search(recipe) / "chosen.json")
        for recipe in (*params.recipes, *trials)
    }
    curves = _curves(findings)
    blocks: list[Block] = [Figures([curves])] if curves else []
    return Section(
        "training",
        "Training of the members",
        "",
        [*blocks, _members(findings, recipes), _settings(findings, recipes)],
    )


def _curves(findings: Findings) -> Plot | None:
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
    return Plot(
        "learning_curves",
        "Learning curves",
        "The validation loss after each epoch. A curve that still falls at its end was trained too "
        "briefly, one that rises too long." + left_out,
        counting("epoch", [x for x, _ in points]),
        spanning(words(monitor), [y for _, y in points], is_log=min(y for _, y in points) > 0),
        lines=[Line(curves[name], look(place), name) for place, name in enumerate(names)],
    )


def _searched(recipe: str) -> str:
    """Return the recipe whose search has found the settings."""
    trial = trial_of(recipe)
    return trial[0] if trial else recipe


def _members(findings: Findings, recipes: dict[str, Any]) -> Table:
    return Table(
        "Members",
        "A member is a recipe trained from a seed.",
        [
            Column("member", is_number=False),
            Column("recipe", is_number=False),
            Column("model", is_number=False),
            Column("seed"),
            Column("seed of the initial weights"),
            Column("learning rate", decimals=setting_decimals),
            Column("batch size"),
            Column("epochs"),
        ],
        [
            [
                findings.name_cell(name)._replace(detail=""),
                text(member.recipe),
                text(recipes[member.recipe]["model"]["name"]),
                count(member.seed),
                count(member.starts_from),
                number(recipes[member.recipe]["training"]["lr"]),
                count(recipes[member.recipe]["training"]["batch_size"]),
                count(recipes[member.recipe]["training"]["epochs"]),
            ]
            for name, member in findings.params.members.items()
        ],
    )


def _settings(findings: Findings, recipes: dict[str, Any]) -> Table:
    """Return a row for each setting of any recipe, with its value in each of them."""
    flat = {
        recipe: flatten({key: part for key, part in chosen.items() if key != "search"})
        for recipe, chosen in recipes.items()
    }
    searched = {
        recipe: set(next(iter(read(findings.inputs.search(_searched(recipe)) / "trials.csv")), {}))
        for recipe in recipes
    }

    def cell(recipe: str, key: str) -> Cell:
        if key not in flat[recipe]:
            return NONE
        return text(_text(flat[recipe][key]))._replace(
            detail="searched" * (key in searched[recipe])
        )

    return Table(
        "All settings of each recipe",
        "The values that its members were trained with, by the keys of params.yaml. A search chose "
        "those that are marked.",
        [Column("setting", is_number=False), *(Column(r, is_number=False) for r in recipes)],
        [
            [text(key), *(cell(recipe, key) for recipe in recipes)]
            for key in sorted({key for own in flat.values() for key in own})
        ],
        is_folded=True,
    )


def _text(value: Any) -> str:
    """Format a setting."""
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, dict):
        return " ".join(f"{key} {_text(part)}" for key, part in value.items())
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
