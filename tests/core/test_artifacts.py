"""Data between stages: it round-trips unchanged, and is refused if it does not fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.artifacts import Card, Pool, Predictions
from pipeline.core.errors import UserError, nearest
from pipeline.core.files import read_json, write_json


def predictions(size: int = 6, num_classes: int = 3, seed: int = 0) -> Predictions:
    logits = np.random.default_rng(seed).normal(size=(size, num_classes)).astype(np.float32)
    return Predictions(np.array([f"s{i}" for i in range(size)]), logits, np.arange(size) % 3)


def test_predictions_come_back_and_are_the_same_bytes(tmp_path: Path) -> None:
    source = predictions()
    for name in ("a", "b"):
        source.save(tmp_path / name / "val.npz")
    loaded = Predictions.load(tmp_path / "a/val.npz")
    for part in ("ids", "logits", "targets"):
        np.testing.assert_array_equal(getattr(loaded, part), getattr(source, part))
    assert (tmp_path / "a/val.npz").read_bytes() == (tmp_path / "b/val.npz").read_bytes()


SIZE = 6
TARGETS = {
    "classes": np.arange(SIZE) % 3,
    "labels": np.arange(SIZE * 3).reshape(SIZE, 3) % 4 < 2,
    "values": np.linspace(-1, 1, SIZE * 2, dtype=np.float32).reshape(SIZE, 2),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_targets_of_every_kind_come_back_and_are_compared(kind: str, tmp_path: Path) -> None:
    source = replace(predictions(SIZE), targets=TARGETS[kind])
    source.save(tmp_path / "val.npz")
    loaded = Predictions.load(tmp_path / "val.npz")
    assert loaded.targets.dtype == TARGETS[kind].dtype
    np.testing.assert_array_equal(loaded.targets, TARGETS[kind])
    np.testing.assert_array_equal(Pool.gather({"a": source, "b": loaded}).targets, TARGETS[kind])
    changed = TARGETS[kind].copy()
    changed[4] = ~changed[4] if kind == "labels" else changed[4] + 1
    with pytest.raises(UserError, match="b: targets differ from those of a, such as those of s4;"):
        Pool.gather({"a": source, "b": replace(loaded, targets=changed)})


@pytest.mark.parametrize("kind", ["labels", "values"])
def test_targets_of_another_kind_are_refused(kind: str) -> None:
    other = replace(predictions(SIZE), targets=TARGETS[kind])
    with pytest.raises(
        UserError, match=r"b: targets differ from those of a, .* s0, s1, s2; predict"
    ):
        Pool.gather({"a": predictions(SIZE), "b": other})


@pytest.mark.parametrize("scale", [(), ((1000.25, -3.0), (1e-7, 2.5))])
def test_a_card_comes_back(scale: tuple, tmp_path: Path) -> None:
    counts = {"train": {"images": 3}}
    card = Card(("a", "b"), (8, 9, 1), "pad", 1, counts, (0.5,), (0.25,), "f", scale)
    card.save(tmp_path / "card.json")
    assert Card.load(tmp_path / "card.json") == card


def test_a_pool_stacks_its_members() -> None:
    members = {"a": predictions(seed=0), "b": predictions(seed=1)}
    pool = Pool.gather(members)
    assert pool.members == ["a", "b"]
    np.testing.assert_allclose(pool.logits, np.stack([p.logits for p in members.values()]))
    assert pool.logits.dtype == np.float64


def with_nan(other: Predictions) -> Predictions:
    logits = other.logits.copy()
    logits[2, 0] = np.nan
    return replace(other, logits=logits)


MISFITS = [
    (
        lambda p: replace(p, ids=np.char.add(p.ids, "x")),
        "b: differs from a in its samples, such as s0",
    ),
    (lambda p: replace(p, ids=p.ids[::-1]), "b: differs from a in sample order; predict"),
    (lambda _: predictions(5), "b: differs from a in its samples, such as s5"),
    (lambda _: predictions(6, 4), "b: has 4 logits per image, but a has 3; train both on the"),
    (
        lambda p: replace(p, targets=p.targets[::-1]),
        "targets differ from those of a, such as those of s0, s2",
    ),
    (with_nan, "b: 1 of 6 predictions are not finite, such as those for s2; train it"),
]


@pytest.mark.parametrize(("change", "message"), MISFITS)
def test_a_member_that_does_not_fit_is_named_with_its_samples(change, message: str) -> None:
    with pytest.raises(UserError) as caught:
        Pool.gather({"a": predictions(), "b": change(predictions(seed=1))})
    assert message in str(caught.value)


def test_equal_trees_are_equal_bytes(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, "é"]})
    write_json(tmp_path / "b.json", {"a": [1.5, "é"], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"a": [1.5, "é"], "b": 1}


def test_a_message_is_one_line_and_names_the_nearest() -> None:
    assert str(UserError("two\n  lines")) == "two lines"
    assert nearest("resnett", ["vit", "resnet"]) == "allowed resnet, vit; nearest resnet"
    assert nearest("zzz", ["vit", "resnet"]) == "allowed resnet, vit"
    assert nearest(None, ["vit"]) == "allowed vit"
