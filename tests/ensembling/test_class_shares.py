"""Weights that give classes the shares of another population."""

import numpy as np
import pytest

from pipeline.core.errors import UserError
from pipeline.ensembling.class_shares import weights

NAMES = ("ant", "bee", "cat")
TARGETS = np.repeat([0, 1, 2], [60, 30, 10])


def test_as_found_all_samples_count_alike() -> None:
    np.testing.assert_array_equal(weights("as_found", NAMES, TARGETS, "test"), 1)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [("uniform", [1 / 3] * 3), ({"ant": 0.1, "bee": 0.2, "cat": 0.7}, [0.1, 0.2, 0.7])],
)
def test_weighted_samples_have_the_shares_of_the_population(shares, expected) -> None:
    found = weights(shares, NAMES, TARGETS, "test")
    assert found.mean() == pytest.approx(1)
    np.testing.assert_allclose(np.bincount(TARGETS, found) / 100, expected)


def test_a_class_without_a_sample_cannot_be_weighed() -> None:
    with pytest.raises(UserError, match=r"a share of 0\.333333 for cat, but test has no sample"):
        weights("uniform", NAMES, np.repeat([0, 1], 5), "test")
    shares = {"ant": 0.5, "bee": 0.5, "cat": 0.0}
    assert weights(shares, NAMES, np.repeat([0, 1], 5), "test") == pytest.approx(1)
