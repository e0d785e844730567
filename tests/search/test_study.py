"""A study: repeats, begins with the recipe as written, and keeps what was best."""

import pytest

from pipeline.config.load import parse_params
from pipeline.config.recipes import Recipe, override
from pipeline.core.files import read_yaml
from pipeline.search.study import chosen, search
from tests.conftest import ROOT

SPACE = {
    "training.lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "model.convs_per_block": {"low": 1, "high": 4},
    "model.dropout": {"choices": [0.0, 0.25, 0.5]},
}


def recipe(num_trials: int = 20, parallel: int = 2, seed: int = 0) -> Recipe:
    tree = read_yaml(ROOT / "params.yaml")
    tree["recipes"]["cnn"]["search"] = {
        "num_trials": num_trials, "parallel": parallel, "epochs": 1, "seed": seed, "space": SPACE,
    }  # fmt: skip
    return parse_params(tree, "test").recipes["cnn"]


def distance(settings) -> float:
    """Lowest, 0, at lr 0.05, 3 convolutions, dropout 0.25."""
    return (
        abs(settings["training.lr"] - 0.05) * 10
        + abs(settings["model.convs_per_block"] - 3)
        + abs(settings["model.dropout"] - 0.25)
    )


def score(asked) -> list[float]:
    return [distance(settings) for _, settings in asked]


def test_the_first_trial_is_the_recipe_as_written() -> None:
    first = search(recipe(), score)[0]
    assert first.settings == {
        "training.lr": 0.005, "model.convs_per_block": 1, "model.dropout": 0.0,
    }  # fmt: skip


def test_the_same_seed_gives_the_same_study_and_another_seed_another() -> None:
    assert search(recipe(), score) == search(recipe(), score)
    assert search(recipe(), score) != search(recipe(seed=1), score)


@pytest.mark.parametrize(("num_trials", "parallel"), [(7, 3), (1, 4), (6, 1)])
def test_rounds_are_filled_and_numbered(num_trials: int, parallel: int) -> None:
    rounds = []

    def remember(asked) -> list[float]:
        rounds.append(len(asked))
        return score(asked)

    trials = search(recipe(num_trials, parallel), remember)
    assert [trial.number for trial in trials] == list(range(num_trials))
    assert max(rounds) <= parallel
    assert sum(rounds) == num_trials


def test_what_is_chosen_is_the_best_trial_and_complete() -> None:
    source = recipe(40)
    trials = search(source, score)
    best = min(trials, key=lambda trial: trial.value)
    result = chosen(source, trials)
    assert result.training.lr == best.settings["training.lr"]
    assert result.model.model_dump()["dropout"] == best.settings["model.dropout"]
    assert result.training.batch_size == source.training.batch_size
    assert result.search is None
    assert best.value < distance(trials[0].settings)


def test_nothing_searched_is_the_recipe_as_written() -> None:
    assert chosen(recipe(), []) == recipe().model_copy(update={"search": None})


def test_settings_are_values_that_the_recipe_allows() -> None:
    for trial in search(recipe(), score):
        override(recipe(), trial.settings)
        assert isinstance(trial.settings["model.convs_per_block"], int)
