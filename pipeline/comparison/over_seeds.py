"""The comparison of the recipes of several states over their seeds, on the samples they share."""

from dataclasses import dataclass
from typing import Any

from pipeline.comparison.comparison import Loaded, changed, members_of, on_shared_samples, taken
from pipeline.config.params import Params
from pipeline.core.errors import UserError
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.recipes import (
    RecipeFigure,
    RecipePair,
    Trained,
    by_recipe,
    recipe_figures,
    recipe_pairs,
    recipe_sentence,
    trained,
)


@dataclass(frozen=True)
class SeedsComparison:
    """The recipes of each state compared with those of the first."""

    evaluator: Evaluator
    states: list[str]
    recipes: list[RecipeFigure]
    pairs: list[RecipePair]
    changed: dict[str, dict[str, Any]]
    """The value in each state, by dotted key of params.yaml, where they differ."""

    def as_json(self) -> dict[str, Any]:
        return {
            **self.evaluator.as_json(),
            "recipes": [{**row._asdict(), "mean": row.mean.as_json()} for row in self.recipes],
            "pairs": [
                {
                    **pair._asdict(),
                    "difference": pair.difference.as_json(),
                    "verdict": recipe_sentence(pair, self.evaluator),
                }
                for pair in self.pairs
            ],
            "changed_params": self.changed,
        }


def compare_over_seeds(states: list[Loaded], settings: Params) -> SeedsComparison:
    """Compare each recipe of a state with the recipe of that name in the first state.

    Where the first state and another have one recipe each, these are compared, whatever their name.

    Raises:
        UserError: a state has no recipe with two seeds, or none that the first state has too; or
            the states cannot be compared at all, or share one group of test samples.
    """
    evaluator, rows = on_shared_samples(states, settings)
    if evaluator.num_groups < 2:
        raise UserError(
            "compare --over-seeds: got shared test samples of one group, which show nothing of "
            "another; test on more groups"
        )
    recipes: list[dict[str, Trained]] = []
    for state, own in zip(states, rows, strict=True):
        members = {name: taken(outputs, own) for name, outputs in members_of(state).items()}
        recipe_of = {name: member["recipe"] for name, member in state.tree["members"].items()}
        systems = by_recipe(members, recipe_of)
        if not systems:
            raise UserError(
                f"compare --over-seeds: {state.name} has no recipe with two members or more; train "
                "another seed of one, or leave out --over-seeds"
            )
        recipes.append({name: trained(evaluator, outputs) for name, outputs in systems.items()})
    named = {
        f"{recipe} of {state.name}": found
        for state, own_recipes in zip(states, recipes, strict=True)
        for recipe, found in own_recipes.items()
    }
    asked = _asked([state.name for state in states], recipes)
    trees = {state.name: state.tree for state in states}
    return SeedsComparison(
        evaluator,
        [*trees],
        recipe_figures(evaluator, named),
        recipe_pairs(evaluator, named, asked),
        changed(trees),
    )


def _asked(names: list[str], recipes: list[dict[str, Trained]]) -> list[tuple[str, str]]:
    """Return the pairs to compare: of each state after the first, with the first."""
    found = []
    for name, own in zip(names[1:], recipes[1:], strict=True):
        shared = [(recipe, recipe) for recipe in own if recipe in recipes[0]]
        if not shared and len(own) == len(recipes[0]) == 1:
            shared = [(next(iter(own)), next(iter(recipes[0])))]
        if not shared:
            raise UserError(
                f"compare --over-seeds: {names[0]} has recipes {', '.join(recipes[0])}, but {name} "
                f"has {', '.join(own)}; allowed states with a recipe in common, or one recipe each"
            )
        found += [(f"{a} of {name}", f"{b} of {names[0]}") for a, b in shared]
    return found
