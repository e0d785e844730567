"""Packed splits: what comes back is what went in, described by train alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from pipeline.artifacts import Card, Packed
from pipeline.errors import UserError
from pipeline.preprocessing.audit import audit
from pipeline.preprocessing.labelled import Labelled
from pipeline.preprocessing.pack import channel_statistics, pack


def labelled(size: int = 30, channels: int = 3) -> Labelled:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (size, 4, 5, channels), np.uint8)
    return Labelled(images, np.arange(size) % 3, [f"{i}" for i in range(size)], ["a", "b", "c"])


ROWS = {"train": np.arange(18), "val": np.arange(18, 24), "test": np.arange(24, 30)}


def test_packed_images_come_back(tmp_path: Path) -> None:
    source = labelled()
    pack(source, ROWS, tmp_path)
    for name, rows in ROWS.items():
        packed = Packed.open(tmp_path / name)
        np.testing.assert_array_equal(packed.images, source.images[rows])
        np.testing.assert_array_equal(packed.targets, source.targets[rows])
        assert list(packed.ids) == [source.ids[i] for i in rows]
        assert isinstance(packed.images, np.memmap)


def test_statistics_come_from_train_alone(tmp_path: Path) -> None:
    source = labelled()
    card = pack(source, ROWS, tmp_path / "a")
    source.images[24:] = 0
    assert pack(source, ROWS, tmp_path / "b").mean == card.mean


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    source = labelled()
    first = pack(source, ROWS, tmp_path / "a").fingerprint
    assert pack(source, ROWS, tmp_path / "b").fingerprint == first
    source.images[29, 0, 0, 0] ^= 1
    assert pack(source, ROWS, tmp_path / "c").fingerprint != first


def test_the_card_comes_back(tmp_path: Path) -> None:
    card = pack(labelled(), ROWS, tmp_path)
    card.save(tmp_path / "card.json")
    assert Card.load(tmp_path / "card.json") == card
    assert card.counts["train"] == {"a": 6, "b": 6, "c": 6}


@given(arrays(np.uint8, (6, 3, 3, 2)))
def test_channel_statistics_are_numpys(images: np.ndarray) -> None:
    mean, std = channel_statistics(images)
    scaled = images / 255
    np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)), atol=1e-12)
    np.testing.assert_allclose(std, np.maximum(scaled.std((0, 1, 2)), 1 / 255), atol=1e-12)


@pytest.mark.parametrize("part", ["images", "targets", "ids"])
def test_a_missing_part_is_named(tmp_path: Path, part: str) -> None:
    pack(labelled(), ROWS, tmp_path)
    (tmp_path / "val" / f"{part}.npy").unlink()
    with pytest.raises(UserError, match=rf"val/{part}\.npy: not found; run"):
        Packed.open(tmp_path / "val")


def test_parts_of_unequal_length_are_refused(tmp_path: Path) -> None:
    pack(labelled(), ROWS, tmp_path)
    np.save(tmp_path / "val" / "targets.npy", np.zeros(3, np.int64))
    with pytest.raises(UserError, match="parts of unequal length"):
        Packed.open(tmp_path / "val")


def test_the_audit_finds_equal_pictures() -> None:
    source = labelled()
    source.images[25] = source.images[1]  # in test and train, under the same label
    source.images[2] = source.images[0]  # both in train, under two labels
    found = audit(source, ROWS)["duplicates"]
    assert found == {
        "groups": 2,
        "across_splits": 1,
        "across_labels": 1,
        "first": [["0", "2"], ["1", "25"]],
    }
