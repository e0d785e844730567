"""Folders of anything: every file becomes an image, a bad image, or is listed; none is lost."""

import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from pipeline.core.errors import UserError
from pipeline.images.bad_image import BadImage
from pipeline.images.decode import decode, fit
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.sources import arrow, folder, table
from tests.preprocessing.make_images import BROKEN, PHOTO, SMALL_PNG


def outcomes(listing: Listing) -> list[str]:
    """Return the kind of every bad image, and `good` for the others."""
    found = []
    for row in range(len(listing.ids)):
        try:
            image = fit(decode(listing.read(row)), (16, 16, 3), "crop")
        except BadImage as bad:
            found.append(bad.kind)
        else:
            assert image.shape == (16, 16, 3)
            found.append("good")
    return found


def write(root: Path) -> list[str]:
    """Write a good image and each broken one, twice; return the outcomes, sorted by name."""
    due = [("a good one", SMALL_PNG, "good"), *((n, b, kind) for n, (b, kind) in BROKEN.items())]
    for label in ("cat", "dog"):
        (root / label).mkdir()
        for name, encoded, _ in due:
            (root / label / f"{name}.jpg").write_bytes(encoded)
    return [kind for _, _, kind in sorted(due)] * 2


def test_broken_files_in_a_folder(tmp_path: Path) -> None:
    due = write(tmp_path)
    listing = folder.load(folder.Params(name="folder"), tmp_path, "classes")
    assert outcomes(listing) == due


def test_broken_files_in_a_table(tmp_path: Path) -> None:
    due = write(tmp_path)
    names = sorted(path.relative_to(tmp_path) for path in tmp_path.glob("*/*"))
    rows = "".join(f"{name},{name.parent}\n" for name in names)
    (tmp_path / "table.csv").write_text(f"image,label\n{rows}")
    listing = table.load(table.Params(name="table", file="table.csv"), tmp_path, "classes")
    assert outcomes(listing) == due


def test_broken_files_in_parquet(tmp_path: Path) -> None:
    cells = [encoded for encoded, _ in BROKEN.values()]
    labels = [str(n % 2) for n in range(len(cells))]
    parquet.write_table(pa.table({"image": cells, "label": labels}), tmp_path / "all.parquet")
    listing = arrow.load(arrow.Params(name="arrow"), tmp_path, "classes")
    assert outcomes(listing) == [kind for _, kind in BROKEN.values()]


PART = st.binary(min_size=1, max_size=12).filter(lambda name: not {0, 47} & set(name))
PART |= st.sampled_from([b"train", b"test", b"a", b"A", b"Thumbs.db", b".hidden", b"x.jpg"])
NAME = st.lists(PART.filter(lambda name: name not in (b".", b"..")), min_size=1, max_size=3)
CONTENT = st.sampled_from([PHOTO, SMALL_PNG, b""]) | st.binary(max_size=50)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw a good file with some bytes changed and its end possibly missing."""
    raw = bytearray(draw(st.sampled_from([PHOTO, SMALL_PNG])))
    for place in draw(st.lists(st.integers(0, len(raw) - 1), max_size=3)):
        raw[place] = draw(st.integers(0, 255))
    return bytes(raw[: draw(st.integers(0, len(raw)))])


@settings(max_examples=150, deadline=None)
@given(files=st.lists(st.tuples(NAME, CONTENT | mutated()), max_size=8))
def test_no_file_of_a_random_folder_goes_missing(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[list[bytes], bytes]]
) -> None:
    root = tmp_path_factory.mktemp("any")
    for parts, content in files:
        path = root.joinpath(*map(os.fsdecode, parts))
        if not path.is_dir() and all(not up.is_file() for up in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    try:
        listing = folder.load(folder.Params(name="folder"), root, "classes")
    except UserError as error:
        assert "\n" not in str(error)
        assert str(error).encode()
        return
    below = [path.relative_to(root).parts for path in root.rglob("*") if path.is_file()]
    expected = [told_as(parts) for parts in below]
    folders = [name for name in listing.ignored if name.endswith("/")]  # reported as a whole
    told = len(listing.ids) + len(listing.ignored) - len(folders)
    assert told == expected.count("file")
    assert bool(folders) == ("folder" in expected)
    assert len(set(listing.ids)) == len(listing.ids)
    for row, outcome in enumerate(outcomes(listing)):
        raw = listing.read(row)
        assert outcome == "good" or raw not in (PHOTO, SMALL_PNG)
        assert (outcome == "empty") == (raw == b"")


def told_as(parts: tuple[str, ...]) -> str:
    """Return whether a file is told by its own name, by that of a hidden folder, or not at all."""
    for place, part in enumerate(parts):
        if part.lower() == "thumbs.db":
            return "litter"
        if part.startswith(".") and place < len(parts) - 1:
            return "folder"
    return "file"
