"""From a listing to packed splits: the data round-trips, whatever the storage."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from pipeline.core.artifacts import Card
from pipeline.core.errors import UserError
from pipeline.images.bad_image import BadImage
from pipeline.images.decode import decode, fit
from pipeline.images.packed import Packed
from pipeline.preprocessing import scan as scanning
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.pack import pack
from pipeline.preprocessing.scan import ReadingPlan, plan, scan
from pipeline.preprocessing.scanned import Scan
from pipeline.preprocessing.split import Assignment
from tests.preprocessing.make_images import encode, picture

SHAPE = (6, 5, 3)
SIZE = 30
SPLIT = np.repeat(["train", "val", "test"], [18, 6, 6])


def arrays_listing(images: np.ndarray) -> Listing:
    size = len(images)
    ids = [f"sample {i}" for i in range(size)]
    return Listing(ids, np.arange(size) % 3, ["a", "b", "c"], lambda row: images[row])


def files_listing(files: list[bytes]) -> Listing:
    made = arrays_listing(np.zeros((len(files), 1, 1, 1), np.uint8))
    return dataclasses.replace(made, read=lambda row: files[row])


def noise(size: int = SIZE, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (size, *SHAPE[:2], channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def read(
    listing: Listing, work: Path, budget_bytes: float = 1e9, **settings
) -> tuple[ReadingPlan, Scan]:
    defaults = {"size_px": None, "channels": None, "fit": "crop", "quality": 95}
    how = plan(listing, **{**defaults, **settings}, budget_bytes=budget_bytes)
    work.mkdir(exist_ok=True, parents=True)
    return how, scan(how, work, any_size=settings.get("size_px") is not None)


def assignment(split: np.ndarray = SPLIT) -> Assignment:
    return Assignment(
        split,
        np.where(split == "val", 0, -1),
        [f"{i}" for i in range(len(split))],
        np.zeros(len(split), bool),
    )


def packed(listing: Listing, folder: Path, **settings) -> Card:
    how, seen = read(listing, folder / "work", **settings)
    return pack(how, seen, seen.good, assignment(SPLIT[: len(seen.good)]), folder)


def test_packed_images_come_back(tmp_path: Path) -> None:
    images = noise()
    card = packed(arrays_listing(images), tmp_path)
    for store, rows in (("trainval", SPLIT != "test"), ("test", SPLIT == "test")):
        opened = Packed.open(tmp_path / store)
        np.testing.assert_array_equal(opened.images, images[rows])
        np.testing.assert_array_equal(opened.targets, (np.arange(SIZE) % 3)[rows])
        assert list(opened.ids) == [f"sample {i}" for i in np.flatnonzero(rows)]
    np.testing.assert_array_equal(np.load(tmp_path / "trainval/folds.npy"), [-1] * 18 + [0] * 6)
    assert card.counts["train"] == {"a": 6, "b": 6, "c": 6}
    assert (card.image_shape, card.num_folds) == (SHAPE, 1)


def test_chunks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Division into chunks is for speed: one row per chunk gives the same files."""
    card = packed(arrays_listing(noise()), tmp_path / "a")
    monkeypatch.setattr(scanning, "CHUNK_ROWS", 1)
    assert packed(arrays_listing(noise()), tmp_path / "b") == card
    for path in (tmp_path / "a").rglob("*.npy"):
        if "work" not in path.parts:
            other = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == other.read_bytes(), path


def test_a_finished_chunk_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "CHUNK_ROWS", 10)
    _, whole = read(arrays_listing(noise()), tmp_path)
    (tmp_path / "chunk_000000010.npz").unlink()
    (tmp_path / "chunk_000000020.part.npz").write_bytes(b"torn")  # the mark of a killed run

    def only_the_missing(row: int) -> np.ndarray:
        assert row == 0 or 10 <= row < 20  # the first tells the shape
        return noise()[row]

    _, again = read(dataclasses.replace(arrays_listing(noise()), read=only_the_missing), tmp_path)
    np.testing.assert_array_equal(again.digests, whole.digests)


@given(images=arrays(np.uint8, (6, 6, 5, 2)))
def test_statistics_are_numpys(images: np.ndarray) -> None:
    made = Scan(
        SHAPE,
        *(np.zeros(6, np.int64),) * 2,
        sums=images.sum(axis=(1, 2), dtype=np.int64),
        squares=np.square(images, dtype=np.uint16).sum(axis=(1, 2), dtype=np.int64),
        digests=np.zeros((6, 16), np.uint8),
        bad={},
        damaged={},
        thumbs=images,
        chunks=[],
    )
    rows = np.array([0, 2, 3])
    mean, std = made.statistics(rows)
    scaled = images[rows] / 255
    np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)), atol=1e-9)
    np.testing.assert_allclose(std, np.maximum(scaled.std((0, 1, 2)), 1 / 255), atol=1e-7)
    np.testing.assert_allclose(made.brightness, images.mean((1, 2, 3)), atol=1e-9)
    np.testing.assert_allclose(made.contrast, images.std((1, 2, 3)), atol=1e-5)


def with_values(values: np.ndarray) -> Listing:
    listing = arrays_listing(noise())
    return dataclasses.replace(listing, targets=values, classes=["age", "weight"])


def test_values_have_their_mean_and_std_over_train(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal((2000, 1e-3), (0.1, 1e-4), (SIZE, 2))
    values = values.astype(np.float32)
    values[SPLIT != "train"] = 7
    card = packed(with_values(values), tmp_path)
    train = values[SPLIT == "train"].astype(np.float64)
    np.testing.assert_allclose(card.target_scale, (train.mean(axis=0), train.std(axis=0)))
    card.save(tmp_path / "card.json")
    assert Card.load(tmp_path / "card.json") == card
    assert packed(arrays_listing(noise()), tmp_path / "classes").target_scale == ()


def test_a_value_that_never_varies_in_train_is_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(SIZE, 2)).astype(np.float32)
    values[SPLIT == "train", 1] = 70.1
    match = "data.source.target: weight is 70.1 in all 18 training images, .*; leave it out"
    with pytest.raises(UserError, match=match):
        packed(with_values(values), tmp_path)


def test_statistics_come_from_train_alone(tmp_path: Path) -> None:
    images = noise()
    card = packed(arrays_listing(images), tmp_path / "a")
    images[18:] = 0
    assert packed(arrays_listing(images), tmp_path / "b").mean == card.mean


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    images = noise()
    first = packed(arrays_listing(images), tmp_path / "a").fingerprint
    assert packed(arrays_listing(images), tmp_path / "b").fingerprint == first
    images[29, 0, 0, 0] ^= 1
    assert packed(arrays_listing(images), tmp_path / "c").fingerprint != first


def test_the_card_comes_back(tmp_path: Path) -> None:
    card = packed(arrays_listing(noise()), tmp_path)
    card.save(tmp_path / "card.json")
    assert Card.load(tmp_path / "card.json") == card


def photos() -> list[bytes]:
    return [encode(picture(24 + i, 30, seed=i), "JPEG") for i in range(SIZE)]


def test_files_as_they_came_give_the_pixels_of_pixel_storage(tmp_path: Path) -> None:
    listing, size = files_listing(photos()), {"size_px": 16}
    pixels = packed(listing, tmp_path / "a", **size)
    files = packed(listing, tmp_path / "b", **size, budget_bytes=1.0, quality=None)
    assert pixels == files
    for store in ("trainval", "test"):
        stored = Packed.open(tmp_path / "b" / store)
        np.testing.assert_array_equal(
            stored.images[:], Packed.open(tmp_path / "a" / store).images[:]
        )
    assert (tmp_path / "b/test/encoded.bin").read_bytes() == b"".join(photos()[24:])


def test_resized_jpegs_are_close_to_pixel_storage(tmp_path: Path) -> None:
    listing, size = files_listing(photos()), {"size_px": 16}
    packed(listing, tmp_path / "a", **size)
    packed(listing, tmp_path / "b", **size, budget_bytes=1.0, quality=95)
    exact, close = (
        Packed.open(tmp_path / folder / "test").images[:].astype(int) for folder in "ab"
    )
    assert 0 < np.abs(exact - close).mean() < 3
    assert (tmp_path / "b/test/encoded.bin").stat().st_size < exact.size


def test_files_of_the_right_size_are_not_encoded_again(tmp_path: Path) -> None:
    files = [encode(picture(16, 16, seed=i), "JPEG") for i in range(SIZE)]
    packed(files_listing(files), tmp_path, budget_bytes=1.0)
    assert (tmp_path / "test/encoded.bin").read_bytes() == b"".join(files[24:])


def test_bad_images_are_told_and_left_out(tmp_path: Path) -> None:
    files = photos()
    files[3], files[25] = b"", files[25][:200]
    _, seen = read(files_listing(files), tmp_path / "work", size_px=16)
    assert {row: bad.kind for row, bad in seen.bad.items()} == {3: "empty", 25: "truncated"}
    assert len(seen.good) == SIZE - 2
    packed(files_listing(files), tmp_path, size_px=16)
    ids = np.concatenate(
        [Packed.open(tmp_path / store).ids for store in ("trainval", "test")]
    ).tolist()
    assert ids == [f"sample {i}" for i in range(SIZE) if i not in (3, 25)]
    images = Packed.open(tmp_path / "trainval").images
    expected = fit(decode(files[4], (16, 16)), (16, 16, 3), "crop")
    np.testing.assert_array_equal(images[3], expected)


def test_large_jpegs_are_told_in_their_own_size(tmp_path: Path) -> None:
    files = [encode(picture(200, 300, seed=i), "JPEG") for i in range(3)]
    _, seen = read(files_listing(files), tmp_path, size_px=16)
    assert (seen.height_px.tolist(), seen.width_px.tolist()) == ([200] * 3, [300] * 3)


def test_images_of_many_sizes_want_a_size(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"size_px: got null, but the images have 30 sizes: 24×30 \(1"
    ):
        read(files_listing(photos()), tmp_path)


def test_no_readable_image_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"none of the 2 images .*; the last error: sample 1: empty"
    ):
        read(files_listing([b"<html>", b""]), tmp_path)


def test_channels_are_as_asked(tmp_path: Path) -> None:
    assert read(arrays_listing(noise()), tmp_path / "a")[0].image_shape == SHAPE
    assert read(arrays_listing(noise()), tmp_path / "b", channels=1)[0].image_shape == (6, 5, 1)
    grey = [encode(picture(6, 5, seed=0)[..., 0], "PNG")] * 3
    assert read(files_listing(grey), tmp_path / "c")[0].image_shape == SHAPE


def test_a_file_that_vanishes_is_a_bad_image(tmp_path: Path) -> None:
    def gone(row: int) -> bytes:
        if row:
            raise BadImage("unreadable", "No such file or directory")
        return photos()[0]

    listing = dataclasses.replace(files_listing(photos()), read=gone)
    _, seen = read(listing, tmp_path)
    assert len(seen.bad) == SIZE - 1
