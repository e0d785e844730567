"""The notice of splits whose classes have other shares: its level, and what it finds."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from pipeline.core.files import read_json
from pipeline.preprocessing.shares import LEVEL, differences
from tests.preprocessing.test_stage import Preprocessed, write_class

NUM_DATA_SETS = 1000
NAMES = [f"class {i}" for i in range(10)]
EVEN = np.full(10, 0.1)
TAIL = 100.0 ** -np.linspace(0, 1, 10)


def single(num: int) -> list[str]:
    return [f"{i}" for i in range(num)]


def drawn(rng: np.random.Generator, shares: np.ndarray, num: int) -> np.ndarray:
    """Draw targets, at least one of each class."""
    return np.append(np.arange(len(shares)), rng.choice(len(shares), num, p=shares / shares.sum()))


@pytest.mark.parametrize("shares", [EVEN, TAIL], ids=["even", "tail"])
@pytest.mark.parametrize("unit_size", [1, 3])
def test_chance_is_rarely_taken_for_a_difference(shares: np.ndarray, unit_size: int) -> None:
    """The images of a unit have one class; each would count as evidence without units."""
    rng, num = np.random.default_rng(0), 300
    split = np.repeat(["train", "val", "test"], (180, 60, 60))
    false = 0
    for _ in range(NUM_DATA_SETS):
        of_units = rng.choice(10, num, p=shares / shares.sum())
        targets, own = (np.repeat(each, unit_size) for each in (of_units, split))
        units = np.repeat(single(num), unit_size).tolist()
        false += bool(differences(targets, units, own, NAMES))
    assert false / NUM_DATA_SETS <= 2 * LEVEL


def test_images_of_a_unit_with_several_classes_are_no_independent_evidence() -> None:
    """Each unit prefers classes of its own, and has twenty images."""
    rng = np.random.default_rng(1)
    units = np.repeat(single(60), 20).tolist()
    split = np.repeat(np.repeat(["train", "test"], 30), 20)
    found, by_image = 0, 0
    for _ in range(NUM_DATA_SETS // 4):
        preferred = rng.dirichlet(np.full(4, 0.5), 60)
        targets = np.array([rng.choice(4, 20, p=own) for own in preferred]).ravel()
        found += bool(differences(targets, units, split, NAMES[:4]))
        by_image += bool(differences(targets, single(len(targets)), split, NAMES[:4]))
    assert found <= 0.02 * NUM_DATA_SETS / 4
    assert by_image > 0.3 * NUM_DATA_SETS / 4


def test_a_long_tail_is_found_against_an_even_test() -> None:
    rng = np.random.default_rng(2)
    parts = {
        "train": drawn(rng, TAIL, 800),
        "val": drawn(rng, TAIL, 200),
        "test": np.arange(500) % 10,
    }
    split = np.repeat([*parts], [len(part) for part in parts.values()])
    targets = np.concatenate([*parts.values()])
    found = differences(targets, single(len(targets)), split, NAMES)
    assert [(each.first, each.second) for each in found] == [("train", "test"), ("val", "test")]
    name, own, other = found[0].shares[0]
    assert name == "class 0"
    assert own == pytest.approx((parts["train"] == 0).mean())
    assert other == 0.1
    assert str(found[0]).startswith(f"class 0 {own:.1%} and 10.0%, ")
    assert str(found[0]).endswith(", p < 0.001")


def test_p_is_that_of_the_chi_squared_test_times_the_number_of_pairs() -> None:
    counts = {"train": (200, 100, 50), "val": (40, 30, 20), "test": (40, 50, 40)}
    targets = np.concatenate([np.repeat([0, 1, 2], count) for count in counts.values()])
    split = np.repeat([*counts], [sum(count) for count in counts.values()])
    (found,) = differences(targets, single(len(targets)), split, NAMES[:3])
    expected = chi2_contingency([counts["train"], counts["test"]], correction=False).pvalue
    assert (found.first, found.second) == ("train", "test")
    assert found.p == pytest.approx(3 * expected)


def test_rare_classes_are_pooled_and_one_class_is_no_difference() -> None:
    """Twenty classes of one image each, which only one split has, say little; one says nothing."""
    split = np.repeat(["train", "test"], (1000, 20))
    lone = np.r_[np.zeros(999), 1, np.zeros(20)].astype(np.int64)
    assert not differences(lone, single(1020), split, NAMES)
    assert not differences(np.zeros(1020, np.int64), single(1020), split, NAMES)


def test_labels_are_compared_one_by_one_and_values_not_at_all() -> None:
    rng = np.random.default_rng(3)
    split = np.repeat(["train", "test"], 500)
    labels = rng.random((1000, 3)) < 0.3
    assert not differences(labels, single(1000), split, NAMES[:3])
    labels[split == "test", 1] = rng.random(500) < 0.5
    (found,) = differences(labels, single(1000), split, NAMES[:3])
    assert found.shares[0][0] == "class 1"
    assert not differences(rng.normal(size=(1000, 2)), single(1000), split, NAMES[:2])


def test_folds_leave_train_and_test() -> None:
    split = np.repeat(["train", "test"], (300, 300))
    targets = np.r_[np.arange(300) % 2, np.zeros(300)].astype(np.int64)
    (found,) = differences(targets, single(600), split, NAMES[:2])
    assert (found.first, found.second) == ("train", "test")


def test_the_audit_and_the_stage_name_the_splits_and_the_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, (folder, num) in enumerate(
        {"train/cat": 76, "train/dog": 8, "test/cat": 15, "test/dog": 15}.items()
    ):
        write_class(tmp_path / "pets" / folder, num, seed)
    made = Preprocessed(tmp_path / "pets", tmp_path / "a", test_fraction=None)
    (row,) = [row for row in made.findings if row["kind"] == "differing shares"]
    assert (row["id"], row["other"]) == ("train", "test")
    assert re.fullmatch(
        r"cat 9\d\.\d% and 50\.0%, dog \d\.\d% and 50\.0%, p < 0\.001", row["detail"]
    )
    assert read_json(made.layout.audit / "counts.json")["differing_shares"] == 1
    page = (made.layout.audit / "index.html").read_text()
    assert "<b>train and test</b>" in page
    assert row["detail"].replace("<", "&lt;") in page
    printed = f"train and test differ in the shares of their classes: {row['detail']}\n"
    assert printed in capsys.readouterr().out
