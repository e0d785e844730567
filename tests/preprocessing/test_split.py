"""Splits: a stratified partition of whole units that does not depend on the source's order."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import UserError
from pipeline.preprocessing.split import SPLITS, Assignment, assign
from pipeline.preprocessing.stratify import quotas, strata, stratify

SIZES = st.lists(st.integers(6, 60), min_size=2, max_size=5)
FRACTIONS = st.floats(0.05, 0.45)
SEEDS = st.integers(0, 1000)
BALANCES = pytest.mark.parametrize("balance", ["stable", "exact"])


def run(targets: np.ndarray, units: np.ndarray | None = None, **options: Any) -> Assignment:
    """Split with defaults for all options that a test does not set."""
    num = len(targets)
    num_classes = targets.shape[1] if targets.ndim > 1 else int(targets.max()) + 1
    defaults: dict[str, Any] = {
        "ids": [f"image {i}" for i in range(num)],
        "units": np.arange(num) if units is None else units,
        "classes": [f"c{k}" for k in range(num_classes)],
        "given": None,
        "val_fraction": 0.2,
        "test_fraction": 0.2,
        "num_folds": None,
        "balance": "stable",
        "seed": 0,
    }
    return assign(targets, **(defaults | options))


def of_sizes(sizes: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


def in_units(seed: int, num: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Return four classes in units of one to five images, most units of mostly one class."""
    random = np.random.default_rng(seed)
    units = np.repeat(np.arange(num), random.integers(1, 6, num))[:num]
    classes = random.integers(0, 4, num)[units]
    return np.where(random.random(num) < 0.1, random.integers(0, 4, num), classes), units


def of_labels(seed: int, num: int = 400) -> np.ndarray:
    rates = np.array([0.5, 0.3, 0.1, 0.05])
    return np.random.default_rng(seed).random((num, 4)) < rates


@BALANCES
@given(sizes=SIZES, val=FRACTIONS, test=FRACTIONS, seed=SEEDS)
def test_every_class_is_in_each_split(
    balance: str, sizes: list[int], val: float, test: float, seed: int
) -> None:
    targets = of_sizes(sizes)
    found = run(targets, val_fraction=val, test_fraction=test, balance=balance, seed=seed)
    for split in SPLITS:
        assert set(targets[found.split == split]) == set(targets)
    np.testing.assert_array_equal(found.fold, np.where(found.split == "val", 0, -1))


@given(sizes=SIZES, val=FRACTIONS, test=FRACTIONS, seed=SEEDS)
def test_exact_gives_each_class_its_share_to_one_image(
    sizes: list[int], val: float, test: float, seed: int
) -> None:
    targets = of_sizes(sizes)
    found = run(targets, val_fraction=val, test_fraction=test, balance="exact", seed=seed)
    for label, size in enumerate(sizes):
        for split, share in zip(SPLITS, (1 - val - test, val, test), strict=True):
            num = int((found.split[targets == label] == split).sum())
            at_least_one = max(0, 1 - size * val) + max(0, 1 - size * test)  # taken from train
            assert abs(num - size * share) < 1 + at_least_one
            assert num == 1 or abs(num - size * share) < 1 or split == "train"
    assert not found.moved.any()


@given(seed=SEEDS, k=st.integers(2, 6))
def test_exact_folds_of_a_class_differ_by_one_image(seed: int, k: int) -> None:
    targets = of_sizes([37, 61])
    found = run(targets, val_fraction=None, num_folds=k, balance="exact", seed=seed)
    for label in (0, 1):
        of_class = found.fold[(targets == label) & (found.split == "train")]
        assert np.ptp(np.bincount(of_class, minlength=k)) <= 1


@BALANCES
@settings(max_examples=40)
@given(seed=SEEDS, k=st.one_of(st.none(), st.integers(2, 4)))
def test_units_are_never_torn_apart(balance: str, seed: int, k: int | None) -> None:
    targets, units = in_units(seed)
    val = None if k else 0.2
    found = run(targets, units, balance=balance, seed=seed, num_folds=k, val_fraction=val)
    for unit in range(units.max() + 1):
        assert len(set(found.split[units == unit])) == 1
        assert len(set(found.fold[units == unit])) == 1


@BALANCES
def test_folds_part_all_that_is_not_test(balance: str) -> None:
    targets, units = in_units(0)
    found = run(targets, units, balance=balance, num_folds=4, val_fraction=None)
    assert set(found.split) == {"train", "test"}
    np.testing.assert_array_equal(found.fold == -1, found.split == "test")
    for fold in range(4):
        assert set(targets[found.fold == fold]) == set(targets)


@BALANCES
@settings(max_examples=30)
@given(seed=SEEDS, shuffle=st.randoms(use_true_random=False))
def test_the_order_of_the_source_does_not_matter(balance: str, seed: int, shuffle: Any) -> None:
    targets, units = in_units(seed, 120)
    order = list(range(len(targets)))
    shuffle.shuffle(order)
    ids = [f"image {i}" for i in order]
    renamed = np.unique(units[order], return_inverse=True)[1]  # any numbers will do
    plain = run(targets, units, balance=balance, seed=seed)
    mixed = run(targets[order], renamed.max() - renamed, ids=ids, balance=balance, seed=seed)
    np.testing.assert_array_equal(plain.split[order], mixed.split)


@settings(max_examples=40)
@given(seed=SEEDS, num_old=st.integers(100, 250), k=st.one_of(st.none(), st.just(3)))
def test_stable_adding_images_moves_no_other(seed: int, num_old: int, k: int | None) -> None:
    targets = np.random.default_rng(seed).integers(0, 3, 300)
    options = {"seed": seed, "num_folds": k, "val_fraction": None if k else 0.2}
    before, after = run(targets[:num_old], **options), run(targets, **options)
    stayed = ~before.moved  # at these sizes the repair is at work in few examples
    np.testing.assert_array_equal(before.split[stayed], after.split[:num_old][stayed])
    np.testing.assert_array_equal(before.fold[stayed], after.fold[:num_old][stayed])


@given(seed=SEEDS)
def test_stable_a_group_stays_when_any_image_joins_it(seed: int) -> None:
    targets, units = in_units(seed)
    groups = [f"patient {unit}" for unit in units]
    last = len(targets) - 1
    ids = [f"image {i}" for i in range(last)] + [" an id that comes first of all"]
    after = run(targets, units, groups=groups, ids=ids, seed=seed)
    first = slice(0, last)
    before = run(targets[first], units[first], groups=groups[first], ids=ids[first], seed=seed)
    stayed = ~before.moved
    np.testing.assert_array_equal(before.split[stayed], after.split[first][stayed])


def test_stable_a_larger_val_leaves_test_as_it_is() -> None:
    targets = of_sizes([200, 200])
    small, large = (run(targets, val_fraction=fraction).split for fraction in (0.1, 0.3))
    np.testing.assert_array_equal(small == "test", large == "test")
    assert (large[small == "val"] == "val").all()


def test_stable_shares_are_met_in_expectation() -> None:
    found = run(of_sizes([6000, 4000]), val_fraction=0.1, test_fraction=0.3)
    for split, share in zip(SPLITS, (0.6, 0.1, 0.3), strict=True):
        deviation = (found.split == split).sum() - 10_000 * share
        assert abs(deviation) < 4 * np.sqrt(10_000 * share * (1 - share))  # 1 in 16,000


def test_stable_shares_do_not_depend_on_the_size_of_units() -> None:
    units = np.repeat(np.arange(2000), 5)
    found = run(np.zeros(10_000, np.int64), units, test_fraction=0.3)
    deviation = (found.split[::5] == "test").sum() - 2000 * 0.3
    assert abs(deviation) < 4 * np.sqrt(2000 * 0.3 * 0.7)


def test_folds_are_independent_of_the_split() -> None:
    targets = np.zeros(10_000, np.int64)
    holdout = run(targets).split
    fold = run(targets, val_fraction=None, num_folds=2).fold
    of_val = np.bincount(fold[holdout == "val"], minlength=2)
    assert abs(of_val[0] - of_val[1]) < 4 * np.sqrt(of_val.sum())


@settings(max_examples=40)
@given(seed=SEEDS)
def test_stable_says_whom_the_repair_moved(seed: int) -> None:
    targets = of_sizes([3, 200])
    found = run(targets, seed=seed, test_fraction=0.05)
    assert found.moved.sum() <= 2
    unrepaired = run(np.zeros(203, np.int64), seed=seed, test_fraction=0.05)
    np.testing.assert_array_equal(found.moved, found.split != unrepaired.split)


@BALANCES
@pytest.mark.parametrize("seed", [0, 1])
def test_every_label_is_in_each_split_and_fold(balance: str, seed: int) -> None:
    targets = of_labels(seed)
    found = run(targets, balance=balance, num_folds=5, val_fraction=None, seed=seed)
    for part in (found.split == "test", *(found.fold == fold for fold in range(5))):
        assert targets[part].any(axis=0).all()


@pytest.mark.parametrize("seed", range(3))
def test_exact_labels_come_closer_than_a_draw_by_chance_and_than_label_by_label(seed: int) -> None:
    targets = of_labels(seed)
    found = run(targets, balance="exact", seed=seed)
    random = np.random.default_rng(seed)
    by_chance = random.permutation(found.split)

    def error(split: np.ndarray) -> float:
        """Return the largest deviation of any label's share from the split's."""
        shares = dict(zip(SPLITS, (0.6, 0.2, 0.2), strict=True))
        deviations = [targets[split == s].sum(0) / targets.sum(0) - shares[s] for s in SPLITS]
        return float(np.abs(deviations).max())

    assert error(found.split) < 0.5 * error(by_chance)
    assert error(found.split) <= error(sechidis(targets, random)) + 0.01
    for split, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        assert abs((found.split == split).mean() - share) < 0.01


def sechidis(targets: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Split by the published algorithm; images without labels go where most are missing."""
    shares = np.array([0.6, 0.2, 0.2])
    lacking, labels = len(targets) * shares, shares[:, None] * targets.sum(axis=0)
    split = np.full(len(targets), -1)
    while (open_ := targets[split < 0].sum(axis=0)).any():
        label = np.argmin(np.where(open_ > 0, open_, np.inf))
        for image in np.flatnonzero((split < 0) & targets[:, label]):
            best = np.flatnonzero(labels[:, label] == labels[:, label].max())
            best = best[lacking[best] == lacking[best].max()]
            split[image] = random.choice(best)
            labels[split[image]] -= targets[image]
            lacking[split[image]] -= 1
    for image in np.flatnonzero(split < 0):
        split[image] = np.argmax(lacking)
        lacking[split[image]] -= 1
    return np.array(SPLITS)[split]


@pytest.mark.parametrize("seed", range(3))
def test_exact_stratifies_groups_that_differ_in_size(seed: int) -> None:
    random = np.random.default_rng(seed)
    units = np.repeat(np.arange(400), random.geometric(0.1, 400))
    targets = random.integers(0, 4, 400)[units]
    found = run(targets, units, balance="exact", seed=seed)
    for label in range(4):
        of_class = found.split[targets == label]
        for split, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
            assert abs((of_class == split).mean() - share) < 0.01


def test_exact_values_have_the_same_distribution_in_each_split() -> None:
    values = np.random.default_rng(0).lognormal(size=(1000, 2)).astype(np.float32)
    found = run(values, balance="exact")
    tenths = np.searchsorted(np.quantile(values[:, 0], np.linspace(0.1, 0.9, 9)), values[:, 0])
    for split, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        counts = np.bincount(tenths[found.split == split])
        assert np.abs(counts - 100 * share).max() <= 1


@BALANCES
def test_a_constant_value_is_split_too(balance: str) -> None:
    found = run(np.ones((10, 1), np.float32), balance=balance)
    assert set(found.split) == set(SPLITS)


@given(count=st.integers(0, 200), weights=st.lists(st.floats(0.01, 1), min_size=1, max_size=6))
def test_quotas_add_up_and_are_the_shares_to_one(count: int, weights: list[float]) -> None:
    shares = np.array(weights) / sum(weights)
    whole = quotas(count, shares)
    assert whole.sum() == count
    assert whole.min() >= int(count >= len(shares))
    exact = count * shares
    lent = np.maximum(1 - exact, 0).sum()  # to shares of less than one image
    assert ((np.abs(whole - exact) < 1 + lent + 1e-9) | (whole <= 1)).all()


@settings(max_examples=30)
@given(seed=SEEDS, k=st.integers(2, 5))
def test_stratifying_single_images_meets_every_quota(seed: int, k: int) -> None:
    random = np.random.default_rng(seed)
    targets = random.integers(0, 3, 90)
    shares = random.dirichlet(np.full(k, 5.0))
    parts = stratify(strata(targets, ["a", "b", "c"]).counts, random.random(90), shares)
    for label in range(3):
        found = np.bincount(parts[targets == label], minlength=k)
        np.testing.assert_array_equal(found, quotas(int((targets == label).sum()), shares))


def test_seeds_differ() -> None:
    targets = of_sizes([50, 50])
    assert (run(targets, seed=0).split != run(targets, seed=1).split).any()


@BALANCES
def test_splits_that_are_brought_are_kept(balance: str) -> None:
    targets = of_sizes([40, 40])
    brought = np.array(["test", "train", "train", "train"] * 20)
    found = run(targets, given=brought, test_fraction=None, balance=balance)
    np.testing.assert_array_equal(found.split == "test", brought == "test")
    if balance == "exact":
        assert (found.split == "val").sum() == 12  # a fifth of each class's 30
    whole = np.array(["test", "train", "val", "train"] * 20)
    found = run(targets, given=whole, test_fraction=None, val_fraction=None, balance=balance)
    np.testing.assert_array_equal(found.split, whole)
    np.testing.assert_array_equal(found.fold, np.where(whole == "val", 0, -1))


BROUGHT = np.array(["train", "train", "val", "test"] * 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_fraction": None}, "test_fraction: got null, but the source has no test split"),
        ({"val_fraction": None}, "val_fraction: got null, but the source has no val split"),
        ({"num_folds": 5}, "val_fraction: got 0.2, but data.num_folds is 5; set it to null"),
        ({"given": BROUGHT}, "val_fraction: got 0.2, but the source has its own val split"),
        (
            {"given": BROUGHT, "val_fraction": None},
            "test_fraction: got 0.2, but the source has its own test split; set it to null",
        ),
        (
            {"given": BROUGHT, "val_fraction": None, "test_fraction": None, "num_folds": 5},
            "num_folds: got 5, but the source has its own val split; set it to null",
        ),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "got 0.5 and 0.5; allowed a sum below 1"),
    ],
)
def test_fractions_that_contradict_the_source_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(of_sizes([20, 20]), **options)


@BALANCES
@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_class_with_too_few_images_is_named(balance: str, size: int) -> None:
    targets = np.repeat([0, 2, 1], [10, 10, size])
    with pytest.raises(UserError, match=rf"class 'c1' has {size} images for train, val and test"):
        run(targets, balance=balance)


def test_a_class_with_too_few_groups_is_named() -> None:
    targets = of_sizes([10, 10])
    units = np.append(np.arange(10), np.repeat([10, 11], 5))
    with pytest.raises(
        UserError, match=r"'c1' has 10 images, but only 2 groups or sets of duplicates, which"
    ):
        run(targets, units)


def test_a_class_with_fewer_images_than_folds_is_named() -> None:
    brought = np.array(["train", "test"] * 12)
    options = {"given": brought, "val_fraction": None, "test_fraction": None}
    with pytest.raises(UserError, match=r"class 'c0' has 4 images for 5 folds; give it at least 5"):
        run(of_sizes([8, 16]), num_folds=5, **options)


def test_a_label_without_a_positive_is_named() -> None:
    targets = of_labels(0)
    targets[:, 2] = False
    with pytest.raises(UserError, match="label 'c2' has 0 images for train, val and test"):
        run(targets)


def test_a_class_that_the_brought_test_lacks_is_named() -> None:
    brought = np.where(np.arange(20) < 3, "test", "train")
    with pytest.raises(UserError, match="class 'c1' has 0 images for test"):
        run(of_sizes([10, 10]), given=brought, test_fraction=None)


@BALANCES
def test_labels_that_no_repair_can_part_are_told(balance: str) -> None:
    targets = ~np.eye(4, dtype=bool)  # any two images share a label that has but three of them
    with pytest.raises(UserError, match=r"label 'c\d' cannot be present in each of train, val and"):
        run(targets, balance=balance)
