"""Stored splits: what comes back is what went in, however it is stored and indexed."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.core.errors import UserError
from pipeline.images.decode import decode, fit
from pipeline.images.packed import Chosen, Encoded, Joined, Packed

SHAPE = (6, 5, 3)


def images_of(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, *SHAPE), np.uint8)


def save(folder: Path, size: int = 8) -> Packed:
    folder.mkdir(parents=True)
    images = images_of(size)
    packed = Packed(
        images, np.arange(size) % 3, np.array([f"{i}" for i in range(size)]), np.full(size, -1)
    )
    for name, array in packed._asdict().items():
        np.save(folder / f"{name}.npy", array)
    return packed


def png(image: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_parts_come_back_as_maps(tmp_path: Path) -> None:
    saved = save(tmp_path / "a")
    opened = Packed.open(tmp_path / "a")
    for name, array in saved._asdict().items():
        np.testing.assert_array_equal(getattr(opened, name), array)
        assert isinstance(getattr(opened, name), np.memmap)


def test_encoded_files_read_as_their_pixels_would(tmp_path: Path) -> None:
    sizes = [(6, 5), (12, 10), (30, 9), (3, 3)]
    sources = [np.full((*size, 3), 40 * i, np.uint8) for i, size in enumerate(sizes)]
    sources[1][:5] = 255
    files = [png(image) for image in sources]
    Encoded.write(tmp_path, iter(files), SHAPE, "pad")
    stored = Encoded(tmp_path)
    expected = np.stack([fit(decode(file), SHAPE, "pad") for file in files])
    assert stored.shape == (4, *SHAPE)
    np.testing.assert_array_equal(stored[np.array([2, 0, 2])], expected[[2, 0, 2]])
    np.testing.assert_array_equal(stored[1:3], expected[1:3])
    np.testing.assert_array_equal(stored[np.array([], int)], expected[:0])


@given(rows=st.lists(st.integers(0, 6), max_size=5), places=st.data())
def test_views_are_numpys_indexing(rows: list[int], places: st.DataObject) -> None:
    first, second = images_of(4), images_of(3, seed=1)
    both = np.concatenate([first, second])
    joined = Joined(first, second)
    chosen = Chosen(joined, np.array(rows, int))
    assert (len(joined), len(chosen)) == (7, len(rows))
    assert chosen.shape == (len(rows), *SHAPE)
    np.testing.assert_array_equal(joined[np.array(rows, int)], both[rows])
    np.testing.assert_array_equal(chosen[:], both[rows])
    if rows:
        some = np.array(places.draw(st.lists(st.integers(0, len(rows) - 1))), int)
        np.testing.assert_array_equal(chosen[some], both[rows][some])


def test_take_and_join_keep_parts_together(tmp_path: Path) -> None:
    packed = save(tmp_path / "a")
    some = packed.take(np.array([5, 1])).join(packed.take(np.array([7])))
    assert list(some.ids) == ["5", "1", "7"]
    np.testing.assert_array_equal(some.targets, packed.targets[[5, 1, 7]])
    np.testing.assert_array_equal(some.images[:], packed.images[np.array([5, 1, 7])])


@pytest.mark.parametrize("part", ["images", "targets", "ids", "folds"])
def test_a_missing_part_is_named(tmp_path: Path, part: str) -> None:
    save(tmp_path / "test")
    (tmp_path / "test" / f"{part}.npy").unlink()
    with pytest.raises(UserError, match=rf"test/{part}\.npy: not found; run `dvc repro"):
        Packed.open(tmp_path / "test")


def test_parts_of_unequal_length_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "test")
    np.save(tmp_path / "test" / "targets.npy", np.zeros(3, np.int64))
    with pytest.raises(UserError, match="parts of unequal length"):
        Packed.open(tmp_path / "test")
