"""Parquet files of images, as `datasets` writes them, are read row by row in constant memory."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.core.errors import UserError
from pipeline.core.kind import Kind
from pipeline.images.bad_image import BadImage
from pipeline.images.decode import decode
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.reading import row_groups as _row_groups
from pipeline.preprocessing.sources.arrow import Params, load
from tests.preprocessing.make_images import encode, picture


def write(path: Path, cells: dict[str, Any], feature: Any = None, group: int = 2) -> None:
    """Write a file as `datasets` does; `feature` is its term for the column label."""
    table = pa.table(cells)
    if feature:
        message = json.dumps(
            {"info": {"features": {"image": {"_type": "Image"}, "label": feature}}}
        )
        table = table.replace_schema_metadata({"huggingface": message})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, row_group_size=group)


def listed(folder: Path, kind: Kind = "classes", **params: Any) -> Listing:
    return load(Params(name="arrow", **params), folder, kind)


def images(*paths: str | None) -> list[dict[str, Any]]:
    """Return images that each have their own path, or number, as their bytes."""
    return [{"bytes": (p or str(n)).encode(), "path": p} for n, p in enumerate(paths)]


NAMES = {"names": ["cat", "dog", "bird"], "_type": "ClassLabel"}


def test_splits_names_and_ids_of_a_hub_data_set(tmp_path: Path) -> None:
    first = {"image": images("0.png", "1.png", "2.png"), "label": [0, 1, 2]}
    second = {"image": images("0.png", None), "label": [2, 2]}
    write(tmp_path / "data/train-00000-of-00001.parquet", first, NAMES)
    write(tmp_path / "data/validation-00000-of-00001.parquet", second, NAMES)
    (tmp_path / "README.md").write_text("a card")
    write(tmp_path / ".cache/train.parquet", first)
    found = listed(tmp_path)
    last = "data/validation-00000-of-00001/000001"
    assert found.ids == ["train/0.png", "train/1.png", "train/2.png", "val/0.png", last]
    assert found.classes == ["cat", "dog", "bird"]
    assert found.targets.tolist() == [0, 1, 2, 2, 2]
    assert found.given is not None
    assert found.given.tolist() == ["train"] * 3 + ["val"] * 2
    assert found.ignored == [".cache/train.parquet", "README.md"]
    assert [found.read(row) for row in (4, 0, 3, 1, 2)] == [
        b"1", b"0.png", b"0.png", b"1.png", b"2.png",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["test/0000", "default/test/0000", "test-0", "test"])
def test_a_split_is_the_name_of_a_file_or_of_its_folder(tmp_path: Path, name: str) -> None:
    write(tmp_path / f"{name}.parquet", {"image": images("a", "b"), "label": ["x", "y"]})
    assert set(listed(tmp_path).given) == {"test"}


@pytest.mark.parametrize("name", ["0000", "all", "trainees", "latest"])
def test_other_names_are_no_splits(tmp_path: Path, name: str) -> None:
    write(tmp_path / f"{name}.parquet", {"image": images("a", "b"), "label": ["x", "y"]})
    assert listed(tmp_path).given is None


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_plain_bytes_are_images_too(tmp_path: Path, kind: pa.DataType) -> None:
    files = [encode(picture(seed=seed)) for seed in range(5)]
    cells = {"picture": pa.array(files, kind), "class": list("abcab"), "who": list("ppqqq")}
    write(tmp_path / "all.parquet", cells)
    found = listed(tmp_path, image="picture", target="class", group="who")
    assert found.ids == [f"all/{row:06d}" for row in range(5)]
    assert found.groups == list("ppqqq")
    for row in range(5):
        np.testing.assert_array_equal(decode(found.read(row)), picture(seed=row))


@pytest.mark.parametrize("feature", [{"dtype": "int64", "_type": "Value"}, [1], {"names": 3}, None])
def test_numbers_without_names_are_their_own(tmp_path: Path, feature: Any) -> None:
    write(tmp_path / "all.parquet", {"image": images("a", "b", "c"), "label": [10, 9, 9]}, feature)
    assert listed(tmp_path).classes == ["9", "10"]


def test_a_list_of_named_labels(tmp_path: Path) -> None:
    cells = {"image": images("a", "b", "c"), "label": [[2, 0], [], [1]]}
    write(tmp_path / "all.parquet", cells, {"feature": NAMES, "_type": "Sequence"})
    found = listed(tmp_path, "labels")
    assert found.classes == ["cat", "dog", "bird"]
    assert found.targets.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]


def test_values_and_metadata_and_ids_of_a_column(tmp_path: Path) -> None:
    cells = {"image": images("x", "x"), "age": [1.5, 2], "key": ["k1", "k2"], "site": [None, 3]}
    write(tmp_path / "all.parquet", cells | {"part": ["train", "valid"]})
    wanted = {"target": "age", "id": "key", "metadata": ("site",), "split": "part"}
    found = listed(tmp_path, "values", **wanted)
    assert found.given is not None
    assert found.given.tolist() == ["train", "val"]
    assert found.ids == ["k1", "k2"]
    assert found.targets.tolist() == [[1.5], [2]]
    assert found.metadata == {"site": ["", "3"]}


def test_an_image_without_bytes_is_empty(tmp_path: Path) -> None:
    cells = {"image": [{"bytes": None, "path": "a"}, {"bytes": b"", "path": "b"}, None]}
    write(tmp_path / "all.parquet", cells | {"label": ["x", "y", "y"]})
    found = listed(tmp_path)
    for row in range(3):
        with pytest.raises(BadImage) as caught:
            decode(found.read(row))
        assert caught.value.kind == "empty"


def test_a_damaged_row_group_is_bad_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"
    pixels = [np.random.default_rng(n).bytes(500) for n in range(4)]
    write(path, {"image": [{"bytes": b, "path": None} for b in pixels], "label": list("abab")})
    found = listed(tmp_path)
    raw = bytearray(path.read_bytes())
    place = raw.index(pixels[0][:20])
    raw[4:place] = b"\xff" * (place - 4)  # the header of the first page
    path.write_bytes(raw)
    with pytest.raises(BadImage, match=r"unreadable: .*all\.parquet"):
        found.read(0)
    assert found.read(3) == pixels[3]


def test_one_row_group_is_held_at_a_time(tmp_path: Path) -> None:
    files = [bytes([n]) * 1_000_000 for n in range(40)]
    cells = {"image": [{"bytes": f, "path": None} for f in files], "label": list("ab") * 20}
    write(tmp_path / "all.parquet", cells, group=4)
    found = listed(tmp_path)
    del files, cells
    before, most = pa.total_allocated_bytes(), 0
    for row in range(40):
        assert found.read(row)[0] == row
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 10_000_000  # of 40, in groups of 4


def unlike(folder: Path) -> None:
    write(folder / "a.parquet", {"image": images("a"), "label": [0]}, NAMES)
    other = {"names": ["dog", "cat"], "_type": "ClassLabel"}
    write(folder / "b.parquet", {"image": images("b"), "label": [0]}, other)


def half_split(folder: Path) -> None:
    write(folder / "train.parquet", {"image": images("a", "b"), "label": ["x", "y"]})
    write(folder / "extra.parquet", {"image": images("a", "b"), "label": ["x", "y"]})


def one(image: Any, label: Any, feature: dict | None = None) -> Any:
    return lambda folder: write(folder / "a.parquet", {"image": image, "label": label}, feature)


WRONG = [
    (lambda _: None, "contains no .parquet file"),
    (lambda folder: (folder / "a.parquet").write_bytes(b"?"), "not a readable Parquet file"),
    (lambda folder: write(folder / "a.parquet", {"image": ["x"]}), "no column 'label'; allowed im"),
    (one(["a.png"], ["x"]), "'image' contains string; allowed bytes.* data.source.name: table"),
    (
        one(images("a", "a"), ["x", "y"]),
        "a row 2: 'a' already appears in a row 1; .*data.source.id",
    ),
    (one(images("a", "b"), ["x", None]), "label is empty in 1 of 2 rows: a row 2"),
    (one(images("a", "b"), [0, -1], NAMES), "label is empty in 1 of 2 rows: a row 2"),
    (one(images("a", "b"), [0, 3], NAMES), "a row 2, label: got '3', which is not"),
    (one(images("a", "b"), ["x", "x"]), "only class 'x'"),
    (one([], []), "Parquet files have no rows|'image' contains null"),
    (unlike, "a and b name their labels differently"),
    (half_split, "extra belongs to no split, but other files"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_a_wrong_file_is_named(tmp_path: Path, make, message: str) -> None:
    make(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        listed(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_group_too_large_to_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_row_groups, "MAX_GROUP_BYTES", 1000)
    write(tmp_path / "a.parquet", {"image": [b"x" * 2000, b"y"], "label": ["a", "b"]})
    with pytest.raises(UserError, match=r"row group 0 holds .* write it again"):
        listed(tmp_path)
