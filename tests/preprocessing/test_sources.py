"""Array sources, behaviour common to all sources, their errors on broken files, and the stage."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.datasets import load_digits

from pipeline.core.component import load, make, names
from pipeline.core.errors import UserError
from pipeline.core.kind import Kind
from pipeline.images.decode import decode
from pipeline.preprocessing.sources import digits, idx
from tests.conftest import ROOT, Workspace
from tests.preprocessing.make_images import SMALL_PNG

PLACES = (
    ROOT / "data/raw/fashion-mnist",
    Path("/usr/share/datasets/fashion-mnist"),  # Debian's dataset-fashion-mnist
    ROOT.parent / "shared/data/fashion-mnist",
)
FASHION = next((place for place in PLACES if place.is_dir()), None)


def write_folder(folder: Path) -> None:
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(3):
            (folder / label / f"{number}.png").write_bytes(SMALL_PNG)


def write_table(folder: Path) -> None:
    write_folder(folder)
    rows = "".join(f"{c}/{n}.png,{c}\n" for c in ("cat", "dog") for n in range(3))
    (folder / "table.csv").write_text(f"image,label\n{rows}")


def write_parquet(folder: Path) -> None:
    images = [{"bytes": SMALL_PNG, "path": f"{n}.png"} for n in range(6)]
    table = pa.table({"image": images, "label": [0, 1, 0, 1, 0, 1]})
    parquet.write_table(table, folder / "train.parquet", row_group_size=2)


def idx_bytes(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def write_idx(
    folder: Path, *, compressed: bool = True, num_train: int = 40
) -> dict[str, np.ndarray]:
    """Write the four files of a small idx data set with 4 classes, and return their content."""
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


WRITERS = {
    "arrow": write_parquet,
    "digits": lambda _: None,
    "folder": write_folder,
    "idx": write_idx,
    "table": write_table,
}
NEEDED = {"table": {"file": "table.csv"}}


@pytest.mark.parametrize("name", names("source"))
def test_every_source_gives_unique_ids_targets_within_its_classes_and_images(
    name: str, tmp_path: Path
) -> None:
    WRITERS[name](tmp_path)
    params = make("source", name, **NEEDED.get(name, {}))
    module = load("source", params)
    listing = module.load(params, tmp_path, "classes")
    size = len(listing.ids)
    assert len(set(listing.ids)) == len(listing.targets) == size > 0
    assert listing.targets.dtype == np.int64
    assert set(listing.targets) <= set(range(len(listing.classes)))
    assert listing.given is None or set(listing.given) <= {"train", "val", "test"}
    for read in (listing.read, pickle.loads(pickle.dumps(listing.read))):
        for row in (0, size - 1):
            image = read(row)
            image = decode(image) if isinstance(image, bytes) else image
            assert image.dtype == np.uint8
            assert image.ndim == 3


@pytest.mark.parametrize("name", ["folder", "digits", "idx"])
@pytest.mark.parametrize("kind", ["labels", "values"])
def test_a_task_that_a_source_cannot_serve_is_refused(
    name: str, kind: Kind, tmp_path: Path
) -> None:
    WRITERS[name](tmp_path)
    params = make("source", name)
    module = load("source", params)
    with pytest.raises(UserError, match=rf"source.name: got {name}, .* {kind}; allowed arrow, tab"):
        module.load(params, tmp_path, kind)


def test_digits_keep_every_grey_level(tmp_path: Path) -> None:
    listing = digits.load(digits.Params(name="digits"), tmp_path, "classes")
    restored = [np.round(listing.read(row)[..., 0] * (16 / 255)) for row in range(1797)]
    np.testing.assert_array_equal(restored, load_digits().images)


@pytest.mark.parametrize("compressed", [True, False])
def test_idx_reads_what_was_written(tmp_path: Path, compressed: bool) -> None:
    held = write_idx(tmp_path, compressed=compressed)
    named = idx.Params(name="idx", classes=("a", "b", "c", "d"))
    listing = idx.load(named, tmp_path, "classes")
    assert listing.given is not None
    in_test = listing.given == "test"
    images = np.stack([listing.read(row) for row in range(60)])
    np.testing.assert_array_equal(images[in_test][..., 0], held["t10k-images-idx3-ubyte"])
    np.testing.assert_array_equal(listing.targets[~in_test], held["train-labels-idx1-ubyte"])
    assert listing.classes == ["a", "b", "c", "d"]
    assert listing.ids[0] == "train/00000"
    with pytest.raises(IndexError):
        listing.read(60)


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
    (IMAGES, cut, r"too short: 2,531 bytes, .* 2,536 \(40 × 9 × 7\); download the file again"),
    (LABELS, cut_gzip, "damaged gzip file"),
    (IMAGES, flip_bits, "damaged gzip file"),
    (IMAGES, lambda path: path.write_bytes(b"<html>"), "damaged gzip file"),
    (IMAGES, lambda path: path.write_bytes(b""), "truncated after 0 bytes"),
    (IMAGES, replace(b"\0\0"), "truncated after 2 bytes"),
    (IMAGES, replace(b"\0\0\x0d\x03" + b"\0" * 12), "starts with 00000d03, but an idx3 file"),
    (IMAGES, replace(idx_bytes(np.zeros((0, 9, 7), np.uint8))), "contains no items"),
    (IMAGES, replace(idx_bytes(np.zeros((3, 9, 7), np.uint8)) + b"x"), "too long"),
    (LABELS, replace(idx_bytes(np.zeros(3, np.uint8))), "train has 40 images and 3 labels"),
    (LABELS, Path.unlink, "not found; the folder contains t10k-images"),
]


@pytest.mark.parametrize(("name", "damage", "output"), BROKEN)
def test_a_broken_idx_file_is_named(tmp_path: Path, name: str, damage, output: str) -> None:
    write_idx(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(UserError, match=output) as caught:
        idx.load(idx.Params(name="idx"), tmp_path, "classes")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_few_class_names_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path)
    with pytest.raises(UserError, match=r"labels up to 3, but data.source.classes names 2"):
        idx.load(idx.Params(name="idx", classes=("a", "b")), tmp_path, "classes")


def use_idx(tree: dict, path: str = "data/raw/shapes") -> None:
    tree["data"] = {"source": {"name": "idx"}, "path": path, "test_fraction": None}


@pytest.mark.parametrize(
    ("damage", "output"),
    [
        (lambda folder: cut(folder / IMAGES), "train-images-idx3-ubyte.gz: too short"),
        (lambda folder: (folder / LABELS).unlink(), "train-labels-idx1-ubyte[.gz]: not found"),
        (lambda folder: write_idx(folder, num_train=5), "class '1' has 1 images for train and val"),
    ],
)
def test_the_stage_says_one_line_and_leaves_nothing(
    workspace: Workspace, damage, output: str
) -> None:
    folder = workspace.folder / "data/raw/shapes"
    write_idx(folder)
    workspace.edit(use_idx)
    damage(folder)
    printed = workspace.stage("preprocess", status=1)
    assert printed.startswith("preprocess: ")
    assert output in printed
    assert printed.count("\n") == 1
    assert not (workspace.folder / "data/processed").exists()
    assert not (workspace.folder / "reports").exists()


def test_a_failed_stage_leaves_the_last_result_as_it_was(workspace: Workspace) -> None:
    workspace.stage("preprocess")
    card = workspace.folder / "data/processed/card.json"
    before = card.read_bytes()
    write_idx(workspace.folder / "data/raw/shapes")
    workspace.edit(lambda tree: use_idx(tree, "data/raw/nowhere"))
    output = workspace.stage("preprocess", status=1)
    assert "data/raw/nowhere, which is not a folder" in output
    assert card.read_bytes() == before


def test_a_test_split_is_made_or_brought_never_both(workspace: Workspace) -> None:
    workspace.edit(lambda tree: tree["data"].update(test_fraction=None))
    output = workspace.stage("preprocess", status=1)
    assert "data.test_fraction: got null, but the source has no test split" in output


@pytest.mark.skipif(FASHION is None, reason="Fashion-MNIST is not at hand")
def test_fashion_mnist_as_its_authors_count_it() -> None:
    assert FASHION
    listing = idx.load(idx.Params(name="idx"), FASHION, "classes")
    assert listing.read(69_999).shape == (28, 28, 1)
    assert listing.given is not None
    assert (listing.given == "test").sum() == 10_000
    np.testing.assert_array_equal(np.bincount(listing.targets), np.full(10, 7000))
