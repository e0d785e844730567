"""Advice, on pools of simulated members of which it is known what another one would bring."""

from itertools import combinations

import numpy as np
import pytest

from pipeline.evaluation.advice import LOSSES, Advice, advice, errors_of, sentences
from pipeline.evaluation.intervals import Bootstrap
from tests.evaluation.systems import KINDS, SCALE, make_predictions, make_targets

NUM, SIZE = 150, 2
"""Samples, and errors of each."""
BOOTSTRAP = Bootstrap(np.arange(NUM), np.ones(NUM), 200, 0.95, seed=0)


def pool(seed: int, **recipes: tuple[float, float, int]) -> tuple[dict, dict[str, str]]:
    """The errors of members; of each recipe the error common to its seeds, that of each alone, both
    as standard deviations, and the number of seeds."""
    rng, errors, recipe_of = np.random.default_rng(seed), {}, {}
    for recipe, (common, alone, num) in recipes.items():
        shared = common * rng.normal(size=(NUM, SIZE))
        for i in range(num):
            errors[f"{recipe}_{i}"] = shared + alone * rng.normal(size=(NUM, SIZE))
            recipe_of[f"{recipe}_{i}"] = recipe
    return errors, recipe_of


def advised(errors: dict, recipe_of: dict[str, str], *useful: str) -> Advice:
    """Advice where the ensemble is the mean of all the useful members."""
    members = useful or tuple(errors)
    ensemble = np.mean([errors[member] for member in members], axis=0)
    return advice(
        "classes", errors, recipe_of, members, members[0], ensemble, np.ones(NUM), BOOTSTRAP
    )


def test_samples_count_by_their_weights() -> None:
    """Half of the samples count twice, the others not at all: as if these were not there."""
    errors, recipe_of = pool(0, cnn=(0.5, 0.8, 3), mlp=(0.9, 0.2, 2))
    kept, members = np.arange(NUM) < NUM // 2, tuple(errors)
    weights, ensemble = 2.0 * kept, np.mean([*errors.values()], axis=0)
    weighted, alone = (
        advice("classes", own, recipe_of, members, members[0], mean, counts, bootstrap)
        for own, mean, counts, bootstrap in (
            (errors, ensemble, weights, Bootstrap(np.arange(NUM), weights, 200, 0.95, seed=0)),
            (
                {name: one[kept] for name, one in errors.items()},
                ensemble[kept],
                np.ones(NUM // 2),
                Bootstrap(np.arange(NUM // 2), np.ones(NUM // 2), 200, 0.95, seed=0),
            ),
        )
    )
    assert weighted.best_mean == alone.best_mean
    assert weighted.saved.value == pytest.approx(alone.saved.value)
    for own, other in zip(weighted.additions, alone.additions, strict=True):
        for figure in ("loss", "error_correlation", "twice", "limit", "saved"):
            assert getattr(own, figure).value == pytest.approx(getattr(other, figure).value)


def test_a_recipe_without_any_error_has_no_share_in_common() -> None:
    errors = {name: np.zeros((NUM, SIZE)) for name in ("cnn_1", "cnn_2")}
    found = advised(errors, dict.fromkeys(errors, "cnn"))
    assert found.additions == []
    (said,) = sentences(found)
    assert "one network is enough" in said


def test_a_small_gain_is_not_printed_as_none() -> None:
    errors, recipe_of = pool(0, cnn=(0.0005, 0.0008, 3))
    said = " ".join(sentences(advised(errors, recipe_of)))
    assert "0.0000" not in said


def loss(*errors: np.ndarray) -> float:
    """Of the mean of these members."""
    return float((np.mean(errors, axis=0) ** 2).sum(axis=1).mean())


def test_the_curve_is_the_mean_over_all_ensembles_of_a_size() -> None:
    """Of two, three and four of five seeds; the limit and the loss of one lie on the same curve."""
    errors, recipe_of = pool(0, cnn=(0.5, 0.8, 5))
    (found,) = advised(errors, recipe_of).additions
    for size in (1, 2, 3, 4, 5):
        mean = np.mean([loss(*own) for own in combinations(errors.values(), size)])
        curve = found.limit.value + (found.loss.value - found.limit.value) / size
        assert curve == pytest.approx(mean)
    assert found.twice.value == pytest.approx(
        found.limit.value + (found.loss.value - found.limit.value) / 10
    )


def test_intervals_cover_what_further_seeds_bring() -> None:
    """1,000 pools: half of one recipe's loss is common to its seeds, two thirds of the other's."""
    expected = {}
    a, b = (1.0, 0.7, 3), (0.9, 0.9, 3)
    for name, (own, other) in {"a": (a, b), "b": (b, a)}.items():
        now = SIZE * (own[0] ** 2 / 4 + other[0] ** 2 / 4 + (own[1] ** 2 + other[1] ** 2) / 12)
        then = SIZE * (16 * own[0] ** 2 + 9 * other[0] ** 2 + 4 * own[1] ** 2 + 3 * other[1] ** 2)
        expected[name] = (now - then / 49, SIZE * own[0] ** 2, own[0] ** 2 * SIZE)
    covered: dict[str, list[bool]] = {"saved": [], "limit": []}
    for seed in range(1000):
        for row in advised(*pool(seed, a=a, b=b)).additions:
            saved, limit, _ = expected[row.recipe]
            covered["saved"].append(row.saved.low <= saved <= row.saved.high)
            covered["limit"].append(row.limit.low <= limit <= row.limit.high)
    for hits in covered.values():
        assert 0.92 <= np.mean(hits) <= 0.98


def test_the_recipe_that_errs_differently_helps_most() -> None:
    """As accurate as the others, but only two of its seeds are in the ensemble."""
    errors, recipe_of = pool(0, cnn=(1.0, 0.3, 5), resnet=(1.0, 0.3, 2))
    found = advised(errors, recipe_of)
    assert [row.recipe for row in found.additions] == ["resnet", "cnn"]
    assert found.additions[1].saved.value < 0  # more of what there is too much of
    said = sentences(found)
    assert said[0].startswith("advice: keep the ensemble: it lowers the Brier score of cnn_0 by ")
    assert said[1].startswith(
        "advice: one more seed of resnet helps most: added to the mean of the best 7 members, it"
    )


def test_members_outside_the_ensemble_may_be_called_for() -> None:
    errors, recipe_of = pool(0, cnn=(1.0, 0.3, 3), resnet=(1.0, 0.3, 2))
    found = advised(errors, recipe_of, "cnn_0", "cnn_1")
    grown = np.mean(
        [loss(errors["cnn_0"], errors["cnn_1"], errors[f"resnet_{i}"]) for i in range(2)]
    )
    now = loss(errors["cnn_0"], errors["cnn_1"])
    assert found.additions[0].recipe == "resnet"
    assert found.additions[0].saved.value == pytest.approx(now - grown)
    assert found.saved.value == pytest.approx(loss(errors["cnn_0"]) - now)


def test_members_that_spoil_the_mean_are_left_out_of_it() -> None:
    errors, recipe_of = pool(0, cnn=(0.3, 0.3, 3), poor=(3.0, 0.1, 3))
    found = advised(errors, recipe_of)
    assert found.best_mean == ("cnn_0", "cnn_1", "cnn_2")
    assert [row.recipe for row in found.additions] == ["cnn", "poor"]
    assert found.additions[1].saved.high < 0


def test_an_ensemble_that_is_worse_than_its_best_member_raises_the_loss() -> None:
    errors, recipe_of = pool(0, cnn=(0.3, 0.3, 3), poor=(3.0, 0.1, 3))
    found = advised(errors, recipe_of)
    assert found.saved.high < 0
    said, worse = sentences(found)[0], f"{-found.saved.value:.4f}"
    assert said.startswith(
        f"advice: one network is enough: the ensemble raises the Brier score of cnn_0 by {worse} ["
    )


def test_one_network_is_enough_where_all_err_alike() -> None:
    errors, recipe_of = pool(0, cnn=(1.0, 0.0, 3))
    found = advised(errors, recipe_of)
    assert found.additions[0].error_correlation.value == pytest.approx(1)
    said = sentences(found)
    assert said[0].startswith("advice: one network is enough: ")
    assert said[1].startswith("advice: no further seed is shown to help, only networks that err")
    assert "100% of the Brier score of cnn is common to its seeds" in said[1]


def test_a_recipe_with_one_seed_is_named_and_a_soup_is_not() -> None:
    errors, recipe_of = pool(0, cnn=(1.0, 0.5, 2), resnet=(1.0, 0.5, 1))
    errors["soup_1"] = errors["cnn_0"]
    found = advised(errors, recipe_of)
    assert found.lone == ("resnet",)
    assert sentences(found)[-1].startswith("advice: resnet has one seed, so train a second")


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_the_squared_errors_of_the_task(kind) -> None:
    targets = make_targets(kind, 60)
    made = make_predictions(kind, targets, 1.0, seed=1)
    if kind == "classes":
        expected = ((np.exp(made) - np.eye(3)[targets]) ** 2).sum(axis=1)
    elif kind == "labels":
        expected = ((np.exp(made[..., 1]) - targets) ** 2).mean(axis=1)
    else:
        expected = (((made - targets) / SCALE[1]) ** 2).mean(axis=1)
    found = errors_of(kind, made, targets, SCALE[1] if kind == "values" else ())
    assert (found**2).sum(axis=1) == pytest.approx(expected, rel=1e-5)
    assert kind in LOSSES
