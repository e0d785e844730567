"""The weighted mean with the lowest loss: proofs that no other is lower."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from pipeline.ensembling.methods import weighted
from pipeline.ensembling.simplex import nearest_to_zero
from pipeline.ensembling.truth import Truth
from tests.ensembling.pools import distributions, pool

PARAMS = weighted.Params(name="weighted")


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    num_members=st.integers(1, 12),
    size=st.integers(1, 200),
    sureness=st.floats(0.01, 500),
)
def test_no_weights_have_a_lower_log_loss(
    seed: int, num_members: int, size: int, sureness: float
) -> None:
    """Karush-Kuhn-Tucker: moving weight to a member gains nothing, and moving it from one with
    weight loses nothing. Some members are very confident, some equal."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, size)
    table = distributions(sureness * (rng.normal(size=(num_members, size, 3)) + np.eye(3)[targets]))
    table[-1] = table[0]
    weights = weighted.fit(PARAMS, table, Truth.plain(targets))["weights"]
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    true = table[:, np.arange(size), targets]
    mixed = weighted.apply({"weights": weights}, table)[np.arange(size), targets]
    gain = np.exp(np.minimum(true - mixed, 600)).mean(axis=1)
    assert gain.max() <= 1 + 1e-7
    np.testing.assert_allclose(gain[weights > 1e-6], 1, atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), num_members=st.integers(1, 12), size=st.integers(1, 60))
def test_no_weighted_mean_is_nearer_to_zero(seed: int, num_members: int, size: int) -> None:
    """At the nearest point of a polytope every vertex lies beyond: P. Wolfe, 1976, theorem 2.1."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(num_members, size)) + 2 * rng.normal(size=size) * rng.random()
    weights = nearest_to_zero(vectors)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    nearest = weights @ vectors
    assert (vectors @ nearest >= nearest @ nearest - 1e-7).all()


def test_values_are_weighted_as_a_general_solver_would() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(200, 2))
    values = targets + rng.normal(size=(4, 200, 2)) * np.array([0.3, 0.5, 0.7, 4.0])[:, None, None]
    found = weighted.fit_values(PARAMS, values, Truth.plain(targets))["weights"]

    def loss(weights: np.ndarray) -> float:
        return float(((np.tensordot(weights, values, 1) - targets) ** 2).mean())

    whole = {"type": "eq", "fun": lambda weights: weights.sum() - 1}
    other = minimize(loss, [0.25] * 4, bounds=[(0, 1)] * 4, constraints=whole, tol=1e-12)
    assert loss(found) <= other.fun + 1e-9
    np.testing.assert_allclose(found, other.x, atol=1e-3)


def test_one_perfect_member_has_all_the_weight() -> None:
    table, targets = pool("values", 3)
    np.testing.assert_allclose(
        weighted.fit_values(PARAMS, np.concatenate([table, targets[None]]), Truth.plain(targets))[
            "weights"
        ],
        [0, 0, 0, 1],
        atol=1e-9,
    )
