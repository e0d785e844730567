"""The leakage gate: anything that spans two splits is named, and can be brought together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import UserError
from pipeline.preprocessing.duplicates import units
from pipeline.preprocessing.leakage import Leak, gate, leaks

NONE = np.empty((0, 2), np.int64)
IDS = [f"{i}.png" for i in range(12)]
SPLITS = st.lists(st.sampled_from(["train", "val", "test"]), min_size=12, max_size=12)
PAIRS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=8)
GROUPS = st.lists(st.sampled_from(["", "", "a", "b"]), min_size=12, max_size=12)


def array(pairs: list[tuple[int, int]]) -> np.ndarray:
    return np.array(pairs, np.int64).reshape(-1, 2)


def torn(splits: np.ndarray, unit: np.ndarray) -> set[int]:
    return {int(u) for u in unit if len(set(splits[unit == u])) > 1}


@given(splits=SPLITS, equal=PAIRS, near=PAIRS, groups=GROUPS)
def test_every_torn_unit_is_found_and_nothing_else(splits, equal, near, groups) -> None:
    given_splits = np.array(splits)
    unit = units(12, array(equal + near), groups)
    found = leaks(given_splits, array(equal), array(near), groups)
    assert {int(unit[leak.first]) for leak in found} == torn(given_splits, unit)
    for leak in found:
        assert given_splits[leak.first] != given_splits[leak.second]
        assert unit[leak.first] == unit[leak.second]


@given(splits=SPLITS, near=PAIRS, groups=GROUPS)
def test_regrouping_heals_all_and_no_image_leaves_test(splits, near, groups) -> None:
    before = np.array(splits)
    unit = units(12, array(near), groups)
    found = leaks(before, NONE, array(near), groups)
    after, messages = gate(before, found, unit, IDS, "regroup")
    assert leaks(after, NONE, array(near), groups) == []
    assert (after[before == "test"] == "test").all()
    assert (after[before == "val"] != "train").all()
    whole = [u not in torn(before, unit) for u in unit]
    np.testing.assert_array_equal(after[whole], before[whole])
    assert (f"{(after != before).sum()} images moved" in messages) == bool(found)
    np.testing.assert_array_equal(before, splits)  # not changed in place


def test_the_kind_of_a_leak_is_told() -> None:
    splits = np.array(["train", "test", "train", "val", "test", "train"])
    groups = ["", "", "", "a", "a", "a"]
    found = leaks(splits, array([(0, 1)]), array([(2, 4), (0, 2)]), groups)
    assert found == [
        Leak("equal", 0, 1),
        Leak("near", 2, 4),
        Leak("group", 3, 4),
        Leak("group", 3, 5),
    ]


def test_failing_names_the_first_ten_pairs_the_count_and_what_to_do() -> None:
    splits = np.array(["train", "test"] * 12)
    ids = [f"{i}.png" for i in range(24)]
    pairs = np.arange(24).reshape(12, 2)
    with pytest.raises(UserError) as caught:
        gate(splits, leaks(splits, pairs, NONE, None), units(24, pairs, None), ids, "fail")
    message = str(caught.value)
    assert "12 pairs of images" in message
    assert "18.png (train) and 19.png (test): equal" in message
    assert "20.png" not in message
    assert "and 2 more" in message
    assert "data.leakage to regroup or warn" in message
    assert "data.near_duplicate_distance" in message


def test_a_warning_leaves_the_splits_as_they_are() -> None:
    splits = np.array(["train", "test"])
    pairs = array([(0, 1)])
    after, messages = gate(splits, leaks(splits, NONE, pairs, None), np.zeros(2, int), IDS, "warn")
    np.testing.assert_array_equal(after, splits)
    assert "0.png (train) and 1.png (test): near" in messages


@pytest.mark.parametrize("rule", ["fail", "warn", "regroup"])
def test_clean_splits_pass_without_a_word(rule) -> None:
    splits = np.array(["train", "train", "test"])
    pairs = array([(0, 1)])
    found = leaks(splits, pairs, NONE, ["", "a", ""])
    after, messages = gate(splits, found, units(3, pairs, None), IDS, rule)
    np.testing.assert_array_equal(after, splits)
    assert messages == ""
