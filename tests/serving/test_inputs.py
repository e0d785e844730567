"""What may stand for an image in a request, and what is refused."""

import base64
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.images.bad_image import BadImage
from pipeline.images.decode import decode
from pipeline.serving.inputs import pixels_of
from tests.preprocessing.make_images import encode

IMAGE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
FILE = encode(Image.fromarray(IMAGE), "PNG")
TEXT = base64.b64encode(FILE).decode()


@pytest.mark.parametrize(
    "given",
    [
        IMAGE, IMAGE.tolist(), IMAGE.astype(float), IMAGE.astype(float).tolist(), FILE,
        bytearray(FILE), memoryview(FILE), TEXT, base64.encodebytes(FILE).decode(),
    ],
)  # fmt: skip
def test_every_form_of_an_image_is_the_same_image(given: object) -> None:
    np.testing.assert_array_equal(pixels_of(given), IMAGE)


@pytest.mark.parametrize("one", [IMAGE[..., 0], IMAGE[..., :1], IMAGE[:, :, 0].T, IMAGE[:3]])
def test_nested_lists_are_one_image_whatever_their_lengths(one: np.ndarray) -> None:
    """Rows of three entries are no channels, and three rows are no list of images."""
    np.testing.assert_array_equal(pixels_of(one.tolist()), pixels_of(np.ascontiguousarray(one)))


def test_a_path_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(FILE)
    for path in (file, str(file), f"file://{file}"):
        with pytest.raises(BadImage, match=r"^not an image: "):
            pixels_of(path)


@pytest.mark.parametrize("name", ["abcd", "images/cats/dog1", "AAAA"])
def test_a_path_that_is_base64_text_is_not_read_either(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(FILE)
    with pytest.raises(BadImage, match="not an image: starts with"):
        pixels_of(name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "not an image: got NoneType; allowed an encoded file, as bytes or base64 text, or"),
        (5, "not an image: got int; allowed"),
        (float("nan"), "not an image: got float; allowed"),
        ({"a": 1}, "not an image: got dict"),
        (Image.fromarray(IMAGE), "not an image: got Image"),
        (b"", "empty: 0 bytes"),
        ("", "empty: 0 bytes"),
        (b"<html>", "not an image: starts with b'<html>'"),
        ("a.png", "not an image: text that is not base64: 'a.png'; paths and addresses are not"),
        ("\ud800", "not an image: text that is not base64"),
        ([], r"not an image: an array of shape \(0,\); allowed height, width"),
        ([[], []], r"empty: an array of shape \(2, 0, 1\)|empty: an array of shape \(2, 0\)"),
        ([1, 2, 3], r"not an image: an array of shape \(3,\); allowed"),
        ([[1, 2], [3]], "not an image: rows of different lengths"),
        ([[1], [[2]]], "not an image: lists that hold more than numbers"),
        ([[[[1]]]], r"not an image: an array of shape \(1, 1, 1, 1\)"),
        ([[[[[1]]]]], "not an image: lists that hold more than numbers"),
        ([["1", "2"]], "not an image: lists that hold more than numbers"),
        ([[True, False]], "not an image: lists that hold more than numbers"),
        ([[None]], "not an image: lists that hold more than numbers"),
        ([[10**400]], "not an image: rows of different lengths, or a number out of range"),
        ([[float("nan")]], "not an image: pixels beyond whole numbers; allowed whole numbers 0..2"),
        ([[float("inf")]], "not an image: pixels beyond whole numbers"),
        ([[256]], "not an image: pixels beyond whole numbers"),
        ([[-1]], "not an image: pixels beyond whole numbers"),
        ([[0.5]], "not an image: pixels beyond whole numbers"),
        (np.full((4, 5), np.nan), "not an image: pixels beyond whole numbers"),
        (np.zeros((4, 5), bool), "not an image: bool pixels; allowed whole numbers"),
        (np.zeros((4, 5), complex), "not an image: complex128 pixels"),
        (np.zeros((4, 5), "datetime64[s]"), "not an image: datetime64"),
        (np.array([["a"]]), "not an image: <U1 pixels"),
        (np.zeros((4, 5), object), "not an image: object pixels"),
        (np.zeros((4, 5, 2)), r"not an image: an array of shape \(4, 5, 2\); allowed height, wid"),
        (np.zeros((2, 4, 5, 3)), r"not an image: an array of shape \(2, 4, 5, 3\)"),
        (np.zeros(5), r"not an image: an array of shape \(5,\)"),
        (np.zeros((0, 5, 3), np.uint8), r"empty: an array of shape \(0, 5, 3\); allowed at least"),
    ],
)
def test_what_is_no_image_is_a_bad_image(given: object, message: str) -> None:
    with pytest.raises(BadImage, match=f"^({message})"):
        pixels_of(given)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(JSON | st.binary(max_size=60))
def test_anything_else_that_a_request_may_hold_is_an_image_or_a_bad_image(given: object) -> None:
    try:
        pixels = pixels_of(given)
    except BadImage as error:
        assert "\n" not in str(error)
    else:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3


@pytest.mark.parametrize("given", [IMAGE, IMAGE.tolist(), FILE, TEXT])
def test_the_number_of_pixels_is_limited(given: object) -> None:
    np.testing.assert_array_equal(pixels_of(given, max_pixels=20), IMAGE)
    with pytest.raises(BadImage, match=r"^too large: 5 × 4 pixels, allowed 19; cut it into tiles$"):
        pixels_of(given, max_pixels=19)


def test_a_long_text_among_numbers_takes_no_room() -> None:
    """As an array of text, this would take 4 GB: as much for each entry as for the longest."""
    rows = [["x" * 10**6] + ["y"] * 1000]
    tracemalloc.start()
    with pytest.raises(BadImage):
        pixels_of(rows)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 10**6


def test_a_transparent_array_is_the_picture_of_its_file() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 7, 4), np.uint8)
    expected = decode(encode(Image.fromarray(pixels), "PNG"))
    np.testing.assert_array_equal(pixels_of(pixels), expected)
    np.testing.assert_array_equal(pixels_of(np.zeros((2, 2, 4))), np.full((2, 2, 3), 255))
