"""Sources: what they give back, and what they say of broken files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pipeline.component import names, resolve, schema
from pipeline.errors import UserError
from pipeline.preprocessing.sources import digits, idx
from tests.conftest import ROOT, Workspace

PLACES = (
    ROOT / "data/raw/fashion-mnist",
    Path("/usr/share/datasets/fashion-mnist"),  # Debian's dataset-fashion-mnist
    ROOT.parent / "shared/data/fashion-mnist",
)
FASHION = next((place for place in PLACES if place.is_dir()), None)


def idx_bytes(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def write_idx(
    folder: Path, *, compressed: bool = True, num_train: int = 40
) -> dict[str, np.ndarray]:
    """The four files of a small idx data set with 4 classes, and what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    held = {}
    for prefix, size in (("train", num_train), ("t10k", 20)):
        images = generator.integers(0, 256, (size, 9, 7), np.uint8)
        labels = (np.arange(size) % 4).astype(np.uint8)
        held |= {f"{prefix}-images-idx3-ubyte": images, f"{prefix}-labels-idx1-ubyte": labels}
    for name, array in held.items():
        raw = idx_bytes(array)
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
        else:
            (folder / name).write_bytes(raw)
    return held


@pytest.mark.parametrize("name", names("source"))
def test_every_source_gives_unique_ids_and_targets_within_its_classes(
    name: str, tmp_path: Path
) -> None:
    write_idx(tmp_path)
    module, params = resolve("source", schema("source", name)(name=name))
    labelled = module.load(params, tmp_path)
    size = len(labelled.images)
    assert labelled.images.dtype == np.uint8
    assert labelled.images.ndim == 4
    assert len(labelled.ids) == len(set(labelled.ids)) == len(labelled.targets) == size > 0
    assert set(labelled.targets) <= set(range(len(labelled.classes)))
    assert labelled.in_test is None or labelled.in_test.shape == (size,)


def test_digits_keep_every_grey_level(tmp_path: Path) -> None:
    labelled = digits.load(digits.Params(name="digits"), tmp_path)
    restored = np.round(labelled.images[..., 0] * (16 / 255))
    np.testing.assert_array_equal(restored, load_digits().images)


@pytest.mark.parametrize("compressed", [True, False])
def test_idx_reads_what_was_written(tmp_path: Path, compressed: bool) -> None:
    held = write_idx(tmp_path, compressed=compressed)
    labelled = idx.load(idx.Params(name="idx", classes=("a", "b", "c", "d")), tmp_path)
    assert labelled.in_test is not None
    np.testing.assert_array_equal(
        labelled.images[labelled.in_test][..., 0], held["t10k-images-idx3-ubyte"]
    )
    np.testing.assert_array_equal(
        labelled.targets[~labelled.in_test], held["train-labels-idx1-ubyte"]
    )
    assert labelled.classes == ["a", "b", "c", "d"]
    assert labelled.ids[0] == "train/00000"


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def cut(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-5]))


def cut_gzip(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def flip_bits(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)


def replace(raw: bytes):
    return lambda path: path.write_bytes(gzip.compress(raw))


BROKEN = [
    (IMAGES, cut, r"cut short, 2,531 bytes of the 2,536 .* \(40 × 9 × 7\); fetch the file again"),
    (LABELS, cut_gzip, "damaged gzip file"),
    (IMAGES, flip_bits, "damaged gzip file"),
    (IMAGES, lambda path: path.write_bytes(b"<html>"), "damaged gzip file"),
    (IMAGES, lambda path: path.write_bytes(b""), "cut short, 0 bytes"),
    (IMAGES, replace(b"\0\0"), "cut short, 2 bytes"),
    (IMAGES, replace(b"\0\0\x0d\x03" + b"\0" * 12), "starts with 00000d03, an idx3 file"),
    (IMAGES, replace(idx_bytes(np.zeros((0, 9, 7), np.uint8))), "holds no items"),
    (IMAGES, replace(idx_bytes(np.zeros((3, 9, 7), np.uint8)) + b"x"), "too long"),
    (LABELS, replace(idx_bytes(np.zeros(3, np.uint8))), "train holds 40 images and 3 labels"),
    (LABELS, Path.unlink, "not found, the folder holds t10k-images"),
]


@pytest.mark.parametrize(("name", "damage", "said"), BROKEN)
def test_a_broken_idx_file_is_named(tmp_path: Path, name: str, damage, said: str) -> None:
    write_idx(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(UserError, match=said) as caught:
        idx.load(idx.Params(name="idx"), tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_few_class_names_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path)
    with pytest.raises(UserError, match=r"labels up to 3, data.source.classes names 2"):
        idx.load(idx.Params(name="idx", classes=("a", "b")), tmp_path)


def use_idx(tree: dict, path: str = "data/raw/shapes") -> None:
    tree["data"] = {"source": {"name": "idx"}, "path": path, "test_fraction": None}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: cut(folder / IMAGES), "train-images-idx3-ubyte.gz: cut short"),
        (lambda folder: (folder / LABELS).unlink(), "train-labels-idx1-ubyte[.gz]: not found"),
        (lambda folder: write_idx(folder, num_train=5), "class '1' has 1 images for train and val"),
    ],
)
def test_the_stage_says_one_line_and_leaves_nothing(
    workspace: Workspace, damage, said: str
) -> None:
    folder = workspace.folder / "data/raw/shapes"
    write_idx(folder)
    workspace.edit(use_idx)
    damage(folder)
    printed = workspace.stage("preprocess", status=1)
    assert printed.startswith("preprocess: ")
    assert said in printed
    assert printed.count("\n") == 1
    assert not (workspace.folder / "data/processed").exists()
    assert not (workspace.folder / "reports").exists()


def test_a_failed_stage_leaves_the_last_result_as_it_was(workspace: Workspace) -> None:
    workspace.stage("preprocess")
    card = workspace.folder / "data/processed/card.json"
    before = card.read_bytes()
    write_idx(workspace.folder / "data/raw/shapes")
    workspace.edit(lambda tree: use_idx(tree, "data/raw/nowhere"))
    said = workspace.stage("preprocess", status=1)
    assert "data/raw/nowhere, which is not a folder" in said
    assert card.read_bytes() == before


def test_a_test_split_is_made_or_brought_never_both(workspace: Workspace) -> None:
    workspace.edit(lambda tree: tree["data"].update(test_fraction=None))
    said = workspace.stage("preprocess", status=1)
    assert "data.test_fraction: the source brings no test split; set it to a fraction" in said


@pytest.mark.skipif(FASHION is None, reason="Fashion-MNIST is not at hand")
def test_fashion_mnist_as_its_authors_count_it() -> None:
    assert FASHION
    labelled = idx.load(idx.Params(name="idx"), FASHION)
    assert labelled.images.shape == (70_000, 28, 28, 1)
    assert labelled.in_test is not None
    assert labelled.in_test.sum() == 10_000
    np.testing.assert_array_equal(np.bincount(labelled.targets), np.full(10, 7000))
