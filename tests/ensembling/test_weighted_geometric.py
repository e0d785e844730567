"""The weighted geometric mean: how far its weights leave equality, and for what evidence."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import entropy

from pipeline.ensembling.methods import weighted_geometric
from pipeline.ensembling.truth import Truth
from tests.ensembling.pools import distributions, pool

PARAMS = weighted_geometric.Params(name="weighted_geometric")
WEAK = (0.35, 0.45, 0.55, 0.5, 0.4)


def weights(table: np.ndarray, targets: np.ndarray, params=PARAMS) -> np.ndarray:
    found: np.ndarray = weighted_geometric.fit(params, table, Truth.plain(targets))["weights"]
    return found


def uneven(num_members: int, num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a pool of one strong member, the first, and weak ones."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 4, num)
    skills = 3 * np.array([1.0, *np.resize(WEAK, num_members - 1)])
    shared = 0.6 * rng.normal(size=(num, 4))
    own = 0.8 * rng.normal(size=(num_members, num, 4))
    return distributions(skills[:, None, None] * np.eye(4)[targets] + shared + own), targets


def of_lowest_loss(table: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The weights that have the lowest log-loss, without any penalty."""

    def loss(logs: np.ndarray) -> float:
        combined = log_softmax(np.tensordot(np.exp(logs), table, axes=1), axis=1)
        return -float(combined[np.arange(len(targets)), targets].sum())

    found: np.ndarray = np.exp(minimize(loss, np.zeros(len(table)), method="BFGS").x)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_twenty_equals_keep_near_equal_weights(seed: int) -> None:
    found = weights(*pool("classes", 20, 300, seed=seed))
    assert found.sum() == pytest.approx(1)
    assert found.min() > 0.5 / 20
    assert found.max() < 1.5 / 20


@pytest.mark.parametrize("seed", range(3))
def test_one_strong_member_among_twenty_is_found_with_few_samples(seed: int) -> None:
    table, targets = uneven(20, 300, seed)
    test, truth = uneven(20, 5000, seed + 100)
    found = weights(table, targets)
    errors = (np.tensordot(found, test, axes=1).argmax(axis=1) != truth).mean()
    even = (test.mean(axis=0).argmax(axis=1) != truth).mean()
    assert found.argmax() == 0
    assert found[0] > 5 / 20
    assert errors < 0.8 * even


def test_the_confidence_of_all_together_does_not_matter() -> None:
    """A temperature is for calibrators to find, and no evidence against equal weights."""
    table, targets = pool("classes", 8, 300)
    plain = weights(table, targets)
    for factor in (0.3, 4.0):
        scaled = weights(distributions(factor * table), targets)
        np.testing.assert_allclose(scaled, plain, atol=0.1 / 8)


def test_simple_weights_follow_what_each_member_can_do_alone() -> None:
    """Its inverse temperature, times a power of the information that it has on the targets."""
    table, targets = uneven(4, 2000, 0)
    rare = np.flatnonzero((targets > 0) | (np.arange(2000) % 5 == 0))  # classes of unlike shares
    table, targets = table[:, rare], targets[rare]
    alone = np.array([of_lowest_loss(member[None], targets)[0] for member in table])
    calibrated = log_softmax(alone[:, None, None] * table, axis=2)
    losses = -calibrated[:, np.arange(len(targets)), targets].mean(axis=1)
    information = entropy(np.bincount(targets)) - losses
    for power in (0.0, 1.0, 3.0):
        one = {"strengths": (1e9,), "powers": (power,)}
        found = weights(table, targets, PARAMS.model_copy(update=one))
        expected = alone * information**power
        np.testing.assert_allclose(found, expected / expected.sum(), atol=0.02)


def test_a_member_that_is_too_sure_of_itself_counts_for_no_more() -> None:
    table, targets = pool("classes", 6, 300)
    plain = weights(table, targets)
    table[2] = distributions(3 * table[2])
    found = weights(table, targets) * np.where(np.arange(6) == 2, 3, 1)
    np.testing.assert_allclose(found / found.sum(), plain, atol=0.03)


def test_a_single_strength_is_taken_as_it_is() -> None:
    table, targets = uneven(4, 400, 0)
    best = of_lowest_loss(table, targets)
    weak = weights(table, targets, PARAMS.model_copy(update={"strengths": (1e-9,)}))
    np.testing.assert_allclose(weak, best / best.sum(), atol=1e-2)


def test_units_stay_whole_where_the_strength_is_chosen() -> None:
    """Copies of few samples are no evidence for weights that fit these alone."""
    table, targets = pool("classes", 6, 25, seed=3, skill=1.0)
    units = np.repeat(np.arange(25), 12)
    table, targets = table[:, units], targets[units]
    equal = np.full(6, 1 / 6)
    whole = weighted_geometric.fit(PARAMS, table, Truth(targets, units, np.ones(300)))["weights"]
    divided = weights(table, targets)
    assert np.abs(whole - equal).max() < 0.7 * np.abs(divided - equal).max()


def test_many_samples_choose_a_strength_by_some_of_them() -> None:
    table, targets = uneven(4, 4500, 0)
    some = weights(table[:, :1500], targets[:1500])
    np.testing.assert_allclose(weights(table, targets), some, atol=0.1)


def test_members_that_know_less_than_nothing_leave_equal_weights() -> None:
    table, targets = pool("classes", 3, 200, skill=-3.0)
    found = weights(table, targets)
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)
