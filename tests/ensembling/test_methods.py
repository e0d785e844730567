"""Every method, for every kind of task it supports, on predictions with a known answer."""

import json
from functools import cache

import numpy as np
import pytest

from pipeline.core.component import load, make, names, schema
from pipeline.core.kind import Kind
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.folds import folds
from pipeline.ensembling.truth import Truth
from tests.ensembling import pools
from tests.ensembling.pools import CASES, applied, combined, fitted, pool, prediction_type

EVERY = pytest.mark.parametrize(("name", "kind"), CASES)
POINTS = [("majority", "classes"), ("majority", "labels"), ("rank", "classes")]
CHOOSING = ("bayesian", "best", "greedy", "weighted")
LONERS = ("bayesian", "best")
ANSWER = Decision("values")


@EVERY
def test_predictions_keep_their_form(name: str, kind: Kind) -> None:
    table, targets = pool(kind)
    made = combined(name, kind, table, targets)
    assert made.shape == table.shape[1:]
    assert np.isfinite(made).all()
    if kind != "values":
        np.testing.assert_allclose(np.exp(made).sum(axis=-1), 1, atol=1e-9)


@EVERY
def test_a_member_and_its_copies_give_it_back(name: str, kind: Kind) -> None:
    """A vote of points keeps only the decisions; and stacking corrects it, copied or not."""
    table, targets = pool(kind, 1)
    alone = combined(name, kind, table, targets)
    copied = combined(name, kind, np.repeat(table, 4, axis=0), targets)
    if (name, kind) in POINTS:
        np.testing.assert_array_equal(alone.argmax(axis=-1), table[0].argmax(axis=-1))
        np.testing.assert_array_equal(copied.argmax(axis=-1), table[0].argmax(axis=-1))
    elif name == "stacking":
        np.testing.assert_allclose(copied, alone, atol=2e-3)
        losses = [prediction_type(kind).losses(made, targets).mean() for made in (alone, table[0])]
        assert losses[0] <= losses[1]
    else:
        np.testing.assert_allclose(alone, table[0], atol=1e-9)
        np.testing.assert_allclose(copied, table[0], atol=1e-9)


@EVERY
def test_the_order_of_members_does_not_matter(name: str, kind: Kind) -> None:
    table, targets = pool(kind, 4)
    made = combined(name, kind, table, targets)
    np.testing.assert_allclose(
        combined(name, kind, table[[2, 0, 3, 1]], targets), made, atol=1e-3, rtol=1e-3
    )


@EVERY
def test_independent_members_are_better_together(name: str, kind: Kind) -> None:
    """The predictions are not fitted, and as confident as their temperature makes them."""
    table, val, best = alone(kind)
    together = fit(make("method", name), "abcde", table, val)
    assert together.loss < (best + 0.1 if name in LONERS else 0.95 * best)


@cache
def alone(kind: Kind) -> tuple[np.ndarray, Validation, float]:
    """Return five members, and the loss of the best of them."""
    table, targets = pool(kind, 5, 300)
    calibrator = "none" if kind == "values" else "temperature"
    calibrators = [make("calibrator", calibrator)]
    place = folds(np.arange(300), 3, 0)
    val = Validation(
        prediction_type(kind), Truth.plain(targets), place, calibrators, lambda _: ANSWER
    )
    best = make("method", "best")
    return table, val, min(fit(best, "a", table[[i]], val).loss for i in range(5))


@pytest.mark.parametrize("kind", ["classes", "labels", "values"])
@pytest.mark.parametrize("name", CHOOSING)
def test_a_useless_member_gets_no_weight(name: str, kind: Kind) -> None:
    """The bad member guesses; for values, it makes all the others' errors, three times as large."""
    table, targets = pool(kind)
    worse = pool(kind, 1, seed=9, skill=0.0)[0]
    if kind == "values":
        worse = targets + 3 * (table.mean(axis=0, keepdims=True) - targets)
    states = fitted(name, kind, np.concatenate([table, worse]), targets)
    weights = sum(state["weights"] for state in states) / len(states)
    assert weights.sum() == pytest.approx(1)
    assert weights[3] == 0 if name != "bayesian" else weights[3] < 1e-12
    assert (weights[:3] > 0).all() or name in LONERS


@EVERY
def test_a_fitted_system_survives_json(name: str, kind: Kind, tmp_path) -> None:
    """The result is bitwise equal, and the system without its idle members agrees."""
    table, targets = pool(kind)
    states = fitted(name, kind, table, targets)
    own_type = prediction_type(kind)
    system = Combiner(name, ("a", "b", "c"), states, "none", {"none": [{}]}, own_type, ANSWER)
    system.save(tmp_path / "system.json")
    named = dict(zip("abc", table, strict=True))
    np.testing.assert_array_equal(Combiner.load(tmp_path / "system.json")(named), system(named))
    np.testing.assert_allclose(system.without_idle()(named), system(named), atol=1e-12)


@EVERY
def test_the_same_predictions_fit_the_same_bytes(name: str, kind: Kind) -> None:
    table, targets = pool(kind, 25, 200)  # enough members for bags
    first, again = (fitted(name, kind, table.copy(), targets) for _ in range(2))
    assert written(first) == written(again)


def written(states) -> str:
    return json.dumps([{key: array.tolist() for key, array in state.items()} for state in states])


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[1] != "values"])
def test_a_class_that_was_not_there_keeps_a_chance(name: str, kind: Kind) -> None:
    table, targets = pool(kind)
    seen = targets != 2 if kind == "classes" else ~targets[:, 1]
    states = fitted(name, kind, table[:, seen], targets[seen])
    made = applied(name, kind, states, table)
    assert np.isfinite(made).all()
    assert prediction_type(kind).losses(made, targets).max() < 30


@pytest.mark.parametrize(
    ("family", "name"),
    [("method", name) for name in ("bayesian", "best", "greedy", "stacking", "weighted")]
    + [("calibrator", name) for name in ("temperature", "vector")],
)
def test_a_sample_of_weight_two_counts_as_two(family: str, name: str) -> None:
    """Half of the samples have no weight; the other half counts twice, or is there twice."""
    table, targets = pool("classes", 4, 120)
    if family == "calibrator":
        table = table[0]
    seen, units = np.arange(120) < 60, np.tile(np.arange(60), 2)
    own = make(family, name)
    module = load(family, own)
    weighted = module.fit(own, table, Truth(targets, units, np.where(seen, 2.0, 0.0)))
    twice = np.tile(np.flatnonzero(seen), 2)
    repeated = module.fit(own, table[..., twice, :], Truth(targets[twice], units, np.ones(120)))
    np.testing.assert_allclose(
        module.apply(weighted, table), module.apply(repeated, table), atol=1e-3
    )
    plain = module.fit(own, table, Truth(targets, units, np.ones(120)))
    assert (
        name == "best"
        or np.abs(module.apply(plain, table) - module.apply(weighted, table)).max() > 1e-2
    )


@EVERY
def test_a_handful_of_samples_is_enough_to_run(name: str, kind: Kind) -> None:
    table, targets = pool(kind, 30, 4)
    many, _ = pool(kind, 30, 50, seed=1)
    assert np.isfinite(applied(name, kind, fitted(name, kind, table, targets), many)).all()


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[1] != "values"])
def test_members_that_are_sure_and_wrong_leave_it_finite(name: str, kind: Kind) -> None:
    """Their probability of the truth is 0 in 64 bits, each on different samples."""
    rng = np.random.default_rng(0)
    _, targets = pool(kind)
    if kind == "classes":
        table = pools.distributions(1000 * rng.normal(size=(3, 200, 5)))
    else:
        table = pools.labelled(1000 * rng.normal(size=(3, 200, 3)))
    assert np.isfinite(combined(name, kind, table, targets)).all()


@pytest.mark.parametrize("name", names("method"))
def test_it_has_the_forms_it_declares(name: str) -> None:
    module = load("method", make("method", name))
    has_values = "identity" in schema("method", name).ACTIVATIONS
    assert hasattr(module, "fit_values") == hasattr(module, "apply_values") == has_values
