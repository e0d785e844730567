"""How a system is fitted, and evaluated on samples that it was not fitted on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.component import make, names
from pipeline.core.errors import UserError
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.folds import folds
from pipeline.ensembling.truth import Truth
from tests.ensembling.pools import distributions, pool, prediction_type

ALL = names("calibrator")


def validation(kind, targets: np.ndarray, calibrators=("none",), place=None) -> Validation:
    place = folds(np.arange(len(targets)), 5, 0) if place is None else place
    chosen = [make("calibrator", name) for name in calibrators]
    decision = Decision("most_probable")
    return Validation(
        prediction_type(kind), Truth.plain(targets), place, chosen, lambda _: decision
    )


def method(name: str):
    return make("method", name)


def members(table: np.ndarray) -> list[str]:
    return [f"m{i}" for i in range(len(table))]


def log_losses(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return prediction_type("classes").losses(predictions, targets)


def test_among_useless_members_the_fit_flatters_and_the_judgement_does_not() -> None:
    flattered, honest = np.mean([judged(seed) for seed in range(8)], axis=0)
    assert flattered < 0.9 * np.log(2) < np.log(2) < honest


def judged(seed: int) -> tuple[float, float]:
    """Return the loss of a hundred guessing members, on the fitted samples and held out."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, 60)
    table = distributions(rng.normal(size=(100, 60, 2)))
    found = fit(method("weighted"), members(table), table, validation("classes", targets))
    named = dict(zip(members(table), table, strict=True))
    return log_losses(found.combiner(named), targets).mean(), found.loss


def test_each_fold_is_predicted_by_a_fit_on_the_others() -> None:
    table, targets = pool("classes", 3, 60)
    val = validation("classes", targets)
    found = fit(method("best"), members(table), table, val)
    for fold in range(5):
        unseen = val.folds == fold
        best = log_losses(table[:, ~unseen], targets[~unseen]).mean(axis=1).argmin()
        np.testing.assert_allclose(found.held_out[unseen], table[best, unseen], atol=1e-12)


def test_a_sample_has_no_part_in_its_own_prediction() -> None:
    """Other targets in one fold change no prediction of that fold, before calibration."""
    table, targets = pool("classes", 4, 100)
    val = validation("classes", targets)
    unseen = val.folds == 2
    other = np.where(unseen, (targets + 1) % 5, targets)
    for name in ("stacking", "weighted"):
        first = fit(method(name), members(table), table, val)
        again = fit(method(name), members(table), table, validation("classes", other))
        np.testing.assert_array_equal(first.held_out[unseen], again.held_out[unseen])
        assert np.abs(first.held_out[~unseen] - again.held_out[~unseen]).max() > 1e-3


@pytest.mark.parametrize(
    ("factor", "shift", "expected"), [(4.0, 0.0, "temperature"), (1.0, 1.5, "vector")]
)
def test_the_calibrator_that_suits_is_chosen(factor: float, shift: float, expected: str) -> None:
    rng = np.random.default_rng(0)
    right = distributions(2 * rng.normal(size=(2000, 5)))
    targets = (rng.random((2000, 1)) > np.exp(right).cumsum(axis=1)).sum(axis=1)
    given = distributions(factor * right + shift * np.eye(5)[1])[None]
    found = fit(method("best"), "a", given, validation("classes", targets, ALL))
    assert found.combiner.calibrator == expected
    assert found.loss == found.losses[expected].mean()
    np.testing.assert_allclose(np.exp(found.combiner({"a": given[0]})), np.exp(right), atol=0.1)


def test_all_calibrators_are_evaluated_without_the_sample() -> None:
    table, targets = pool("classes", 1, 40)
    found = fit(method("best"), "a", table, validation("classes", targets, ALL))
    assert set(found.losses) == set(ALL)
    assert all(losses.shape == (40,) for losses in found.losses.values())
    np.testing.assert_allclose(found.losses["none"], log_losses(table[0], targets))


@given(
    units=st.lists(st.integers(0, 4), max_size=60).map([0, 1].__add__),
    num_folds=st.integers(2, 6),
    seed=st.integers(0, 100),
)
def test_units_stay_together(units: list[int], num_folds: int, seed: int) -> None:
    place = folds(np.array(units), num_folds, seed)
    for unit in set(units):
        assert len({fold for fold, own in zip(place, units, strict=True) if own == unit}) == 1
    assert 2 <= len(set(place)) <= num_folds


def test_units_are_spread_evenly() -> None:
    assert np.bincount(folds(np.arange(52), 5, 0)).tolist() == [11, 11, 10, 10, 10]


def test_one_group_is_refused() -> None:
    with pytest.raises(UserError, match="20 samples of one group"):
        folds(np.zeros(20, int), 5, 0)
