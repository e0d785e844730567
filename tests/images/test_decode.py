"""Every kind of good file gives the pixels of a reference; every other file is a BadImage."""

import pickle
from io import BytesIO

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from pipeline.images.bad_image import BadImage
from pipeline.images.decode import decode, fit, read
from tests.preprocessing.make_images import (
    ADOBE,
    BROKEN,
    PHOTO,
    animated,
    cmyk,
    encode,
    oriented,
    picture,
    png,
)


def by_pillow(encoded: bytes, mode: str = "RGB") -> np.ndarray:
    """Return the reference: the pixels of Pillow, on a white background."""
    image = ImageOps.exif_transpose(Image.open(BytesIO(encoded)))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    pixels = np.asarray(image.convert(mode))
    return pixels if mode == "RGB" else pixels[..., None]


COLOUR = Image.fromarray(picture())
GREY = COLOUR.convert("L")
PALETTE = COLOUR.quantize(16)
SOFT = COLOUR.copy()
SOFT.putalpha(GREY)
GOOD = {
    "JPEG": encode(COLOUR, "JPEG"),
    "progressive JPEG": encode(COLOUR, "JPEG", progressive=True),
    "JPEG 4:4:4": encode(COLOUR, "JPEG", subsampling=0),
    "JPEG kept as RGB": encode(COLOUR, "JPEG", keep_rgb=True),
    "JPEG with restarts": encode(COLOUR, "JPEG", restart_marker_blocks=2),
    "CMYK JPEG": cmyk(),
    "CMYK JPEG without Adobe's mark": cmyk().replace(ADOBE, b""),
    "YCCK JPEG": cmyk().replace(ADOBE, ADOBE[:-1] + b"\2"),
    "phone's pair of pictures": encode(COLOUR, "MPO", save_all=True, append_images=[GREY]),
    "PNG": encode(COLOUR),
    "transparent PNG": encode(SOFT),
    "palette": encode(PALETTE),
    "palette, one colour transparent": encode(PALETTE, transparency=3),
    "palette, soft": encode(PALETTE, transparency=bytes(range(0, 256, 16))),
    "RGB, one colour transparent": encode(COLOUR, transparency=tuple(picture()[0, 0].tolist())),
    "lossless WebP": encode(COLOUR, "WEBP", lossless=True),
    "WebP": encode(COLOUR, "WEBP"),
    "transparent WebP": encode(SOFT, "WEBP"),
    "BMP": encode(COLOUR, "BMP"),
    "palette BMP": encode(PALETTE, "BMP"),
    "TIFF": encode(COLOUR, "TIFF"),
    "packed TIFF": encode(COLOUR, "TIFF", compression="tiff_lzw"),
    "CMYK TIFF": cmyk("TIFF"),
    "GIF": encode(COLOUR, "GIF"),
    "16-bit colour": png(2, 1, 16, 2, b"\0" + bytes(range(0, 240, 20))),
}
GOOD_GREY = {
    "grey JPEG": encode(GREY, "JPEG"),
    "grey PNG": encode(GREY),
    "grey and alpha": encode(SOFT.convert("LA")),
    "one grey transparent": encode(GREY, transparency=int(picture()[0, 0, 0])),
    "bilevel PNG": encode(GREY.convert("1")),
    "bilevel TIFF": encode(GREY.convert("1"), "TIFF", compression="group4"),
}


@pytest.mark.parametrize("name", GOOD)
def test_colour_is_pillows(name: str) -> None:
    np.testing.assert_array_equal(decode(GOOD[name]), by_pillow(GOOD[name]))


@pytest.mark.parametrize("name", GOOD_GREY)
def test_grey_is_pillows_and_stays_grey(name: str) -> None:
    np.testing.assert_array_equal(decode(GOOD_GREY[name]), by_pillow(GOOD_GREY[name], "L"))


def test_no_ink_is_white() -> None:
    assert ADOBE in cmyk()
    paper = encode(Image.new("CMYK", (8, 8)), "JPEG")
    assert decode(paper).min() == 255


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_camera_is_turned_back(kind: str, orientation: int) -> None:
    encoded = oriented(orientation, kind)
    np.testing.assert_array_equal(decode(encoded), by_pillow(encoded))
    assert decode(encoded).shape[:2] == ((40, 60) if orientation < 5 else (60, 40))
    assert decode(encoded).flags.c_contiguous


@pytest.mark.parametrize("orientation", [0, 9])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    assert decode(oriented(orientation)).shape == (40, 60, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(kind: str) -> None:
    wide = np.arange(0x10000, dtype=np.uint16).reshape(256, 256)
    found = decode(encode(Image.fromarray(wide), kind))
    np.testing.assert_array_equal(found[..., 0], np.round(wide / 257))


def test_a_transparent_level_of_sixteen_bits_is_white() -> None:
    wide = np.array([[7, 40_000]], np.uint16)
    found = decode(encode(Image.fromarray(wide), transparency=7))
    assert found.ravel().tolist() == [255, 156]


def test_a_large_photo_comes_smaller_but_not_below_twice_what_is_needed() -> None:
    large = picture(640, 960)
    for orientation, upright in ((1, large), (6, np.rot90(large, -1))):
        exif = Image.Exif()
        exif[0x0112] = orientation
        found = decode(encode(large, "JPEG", quality=95, exif=exif), (70, 60))
        assert 140 <= found.shape[0] < 640 and 120 <= found.shape[1] < 640
        size = (found.shape[1], found.shape[0])
        expected = cv2.resize(np.ascontiguousarray(upright), size, interpolation=cv2.INTER_AREA)
        assert np.abs(found.astype(int) - expected).mean() < 2
    assert decode(encode(large, "JPEG", exif=exif), (200, 60)).shape == (480, 320, 3)
    assert decode(PHOTO, (500, 500)).shape == (40, 60, 3)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_by_its_kind(name: str) -> None:
    encoded, kind = BROKEN[name]
    with pytest.raises(BadImage) as caught:
        decode(encoded)
    assert caught.value.kind == kind, caught.value
    assert str(caught.value).startswith(f"{kind}: ")
    assert "\n" not in str(caught.value)


def test_a_bad_image_passes_between_processes() -> None:
    bad = pickle.loads(pickle.dumps(BadImage("empty", "0\nbytes")))
    assert (bad.kind, bad.detail, str(bad)) == ("empty", "0 bytes", "empty: 0 bytes")


def test_settings_of_pillow_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    for encoded, kind in BROKEN.values():
        with pytest.raises(BadImage) as caught:
            decode(encoded)
        assert caught.value.kind == kind
    for encoded in GOOD.values():
        np.testing.assert_array_equal(decode(encoded), by_pillow(encoded))


WHOLE = [*GOOD.values(), *GOOD_GREY.values(), oriented(6), animated("GIF"), animated("WEBP")]


@settings(max_examples=400, deadline=None)
@given(
    whole=st.sampled_from(WHOLE),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255))),
    kept=st.floats(0, 1),
)
@example(whole=PHOTO, changes=[], kept=1.0)
def test_any_bytes_are_an_image_or_a_bad_image(
    whole: bytes, changes: list[tuple[float, int]], kept: float
) -> None:
    mutated = bytearray(whole)
    for where, value in changes:
        mutated[int(where * len(mutated))] = value
    try:
        found = decode(bytes(mutated[: round(kept * len(mutated))]))
    except BadImage as bad:
        assert "\n" not in str(bad)
    else:
        assert found.dtype == np.uint8
        assert found.shape[2] in (1, 3)
        assert found.size > 0


SIZES = st.integers(1, 300)


@settings(deadline=None)
@given(
    shape=st.tuples(SIZES, SIZES, st.sampled_from([1, 3])),
    wanted=st.tuples(SIZES, SIZES, st.sampled_from([1, 3])),
    how=st.sampled_from(["crop", "pad"]),
)
@example(shape=(1, 30_000, 3), wanted=(224, 224, 3), how="crop")
@example(shape=(1, 30_000, 3), wanted=(224, 224, 3), how="pad")
@example(shape=(40_000, 1, 1), wanted=(300, 2, 3), how="crop")
def test_every_image_fits_every_shape(
    shape: tuple[int, int, int], wanted: tuple[int, int, int], how: str
) -> None:
    fitted = fit(np.full(shape, 200, np.uint8), wanted, how)
    assert fitted.shape == wanted
    if how == "crop":
        assert (fitted == 200).all()  # no gap
    else:
        filled = fitted[..., 0] == 200
        rows, columns = filled.any(1), filled.any(0)
        assert (filled == np.outer(rows, columns)).all()
        assert rows.all() or columns.all()
        assert set(np.unique(fitted)) <= {0, 200}
        scale = min(wanted[0] / shape[0], wanted[1] / shape[1])
        assert abs(rows.sum() - shape[0] * scale) <= 1
        assert abs(columns.sum() - shape[1] * scale) <= 1


def test_the_size_is_that_of_the_upright_image_at_full_scale() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        assert read(oriented(6, kind)).size_px == (60, 40)
        assert read(oriented(3, kind)).size_px == (40, 60)


def test_an_image_that_fits_is_not_touched() -> None:
    image = picture()
    assert fit(image, (40, 60, 3), "crop") is image


@pytest.mark.parametrize("how", ["crop", "pad"])
def test_halving_averages_two_by_two_pixels(how: str) -> None:
    image = picture(40, 60)
    means = image.reshape(20, 2, 30, 2, 3).mean((1, 3))
    assert np.abs(fit(image, (20, 30, 3), how) - means).max() <= 0.5


def test_a_mirrored_image_has_a_mirrored_crop() -> None:
    image = np.array([[10, 200, 100, 10]], np.uint8)[..., None]
    mirrored = fit(np.ascontiguousarray(image[:, ::-1]), (8, 8, 1), "crop")
    np.testing.assert_array_equal(mirrored, fit(image, (8, 8, 1), "crop")[:, ::-1])


@pytest.mark.parametrize(("height", "width"), [(50, 20), (20, 50), (90, 90)])
def test_a_crop_is_the_middle_at_one_scale(height: int, width: int) -> None:
    rows, columns = np.mgrid[:40, :60]  # a ramp: a pixel's value is its place
    ramp = np.stack([rows * 4, columns * 4, rows * 0], -1).astype(np.uint8)
    scale = max(height / 40, width / 60)
    fitted = fit(ramp, (height, width, 3), "crop").astype(float)
    inner = slice(3, -3)
    x = 29.5 + (np.arange(width) - (width - 1) / 2) / scale
    y = 19.5 + (np.arange(height) - (height - 1) / 2) / scale
    tolerance = 4 * (0.5 / scale + 0.3)  # half a pixel of the result, and rounding
    assert np.abs(fitted[inner, inner, 1] - 4 * x[inner]).max() <= tolerance
    assert np.abs(fitted[inner, inner, 0] - 4 * y[inner, None]).max() <= tolerance


def test_grey_and_colour_become_each_other() -> None:
    image = picture()
    grey = fit(image, (40, 60, 1), "crop")
    assert np.abs(grey[..., 0] - image @ [0.299, 0.587, 0.114]).max() <= 0.51
    np.testing.assert_array_equal(fit(grey, (40, 60, 3), "pad"), np.repeat(grey, 3, axis=2))
