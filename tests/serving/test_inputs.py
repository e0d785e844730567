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
