"""The forms in which images come to the packaged model."""

import base64
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.images.decode import decode
from pipeline.serving.ensemble import as_bytes, as_pixels
from pipeline.serving.inputs import images_in
from tests.preprocessing.make_images import encode

IMAGE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


@pytest.mark.parametrize("one", [IMAGE, IMAGE[..., 0], np.zeros((4, 5, 1), int)])
def test_one_image_as_nested_lists_is_one_image(one: np.ndarray) -> None:
    (found,) = images_in(one.tolist())
    np.testing.assert_array_equal(np.asarray(found), one)


def test_buffers_are_bytes() -> None:
    assert images_in(bytearray(b"x")) == images_in([memoryview(b"x")]) == [b"x"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "no image; allowed one or more"),
        (np.zeros((0, 4, 5, 3)), "no image; allowed one or more"),
        (pd.DataFrame({"image": []}), "no image; allowed one or more"),
        (pd.DataFrame({"picture": ["a.png"]}), "columns picture; allowed image"),
        ({}, "columns none; allowed image"),
        (None, "got NoneType; allowed one image or several: an array"),
        (5, "got int; allowed one image or several"),
        (np.array(5), r"an array of shape \(\); allowed"),
        (np.zeros(5), r"an array of shape \(5,\); allowed one image"),
        (np.zeros((1, 1, 4, 5, 3)), r"an array of shape \(1, 1, 4, 5, 3\); allowed"),
        ([IMAGE, None], "image 1: got NoneType; allowed one image"),
        ([IMAGE, 5], "image 1: got int; allowed"),
        ([Image.fromarray(IMAGE)], "image 0: got Image; allowed"),
        ([IMAGE, np.array([["a"]])], r"image 1: got an array of <U1, of shape \(1, 1\); allowed"),
        ([IMAGE, [["a.png"]]], "image 1: got an array of <U5"),
        ([IMAGE, [[1, 2], [3]]], "image 1: rows of different lengths; allowed equal ones"),
        ([np.zeros((4, 5), "datetime64[s]")], "image 0: got an array of datetime64"),
    ],
)
def test_what_is_no_image_is_named(given: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        images_in(given)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 5, 3), np.uint8), r"shape \(0, 5, 3\); allowed at least one pixel"),
        (np.zeros((4, 0), np.uint8), r"shape \(4, 0\); allowed at least one pixel"),
        (np.zeros((4, 5), bool), "bool pixels; allowed whole numbers"),
        (np.full((4, 5), np.nan), "float64 pixels; allowed whole numbers"),
        (np.full((4, 5), 256), "int64 pixels; allowed whole numbers"),
        (np.zeros((4, 5, 2)), r"shape \(4, 5, 2\); allowed height, width\[, 1, 3 or 4\]"),
    ],
)
def test_pixels_that_are_none_are_named(array: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_pixels(array)


@pytest.mark.parametrize("name", ["abcd", "images/cats/dog1", "", "a/b.png"])
def test_a_missing_file_is_missing_though_its_name_is_base64_text(name: str) -> None:
    with pytest.raises(ValueError, match=f"no such file: '{name}'"):
        as_bytes(name)


@pytest.mark.parametrize("one", ["a.png", b"\x89PNG", Path("a.png"), IMAGE, IMAGE[..., 0]])
def test_one_image_is_one_image(one: object) -> None:
    """A path is not read letter by letter, nor an array row by row."""
    found = images_in(one)
    assert len(found) == 1
    assert found[0] is one


@pytest.mark.parametrize(
    "several",
    [
        [IMAGE, IMAGE],
        (IMAGE, IMAGE),
        np.stack([IMAGE, IMAGE]),
        np.stack([IMAGE[..., 0], IMAGE[..., 0]]),
        [IMAGE.tolist(), IMAGE.tolist()],
        {"image": [IMAGE, IMAGE]},
        pd.DataFrame({"image": [IMAGE, IMAGE]}),
    ],
)
def test_several_images_are_as_many(several: object) -> None:
    found = images_in(several)
    assert len(found) == 2
    assert all(np.asarray(image).shape[:2] == (4, 5) for image in found)


def test_the_text_of_a_large_image_is_no_path() -> None:
    """A path of more than 255 characters is an error of the operating system."""
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    encoded = encode(noise, "JPEG")
    assert as_bytes(base64.b64encode(encoded).decode()) == encoded
    with pytest.raises(ValueError, match="no such file"):
        as_bytes("a!" * 300)


def test_a_transparent_array_is_the_picture_of_its_file() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 7, 4), np.uint8)
    np.testing.assert_array_equal(as_pixels(pixels), decode(encode(Image.fromarray(pixels), "PNG")))
    np.testing.assert_array_equal(as_pixels(np.zeros((2, 2, 4))), np.full((2, 2, 3), 255))
