"""Damage that Pillow hides or prints: in metadata, in the number of rows, in a TIFF file."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from pipeline.images.bad_image import BadImage
from pipeline.images.decode import decode, read
from pipeline.images.png import ADAM7
from tests.images.test_decode import GOOD
from tests.preprocessing.make_images import (
    BROKEN,
    chunk,
    cut_exif,
    encode,
    hurt,
    oriented,
    picture,
    png,
)

COLOUR = Image.fromarray(picture())


def with_text(text: bytes) -> bytes:
    """Return a PNG file with a compressed text."""
    packed = chunk(b"zTXt", b"note\0\0" + text)
    return png(1, 2, 8, 0, b"\0\x07\0\x09", extra=packed)


LONG = with_text(zlib.compress(bytes(2_000_000)))
METADATA = {
    "EXIF block without its last bytes": (cut_exif(6), oriented(6), "Truncated File Read"),
    "EXIF block of another format": (
        encode(COLOUR, "WEBP", exif=b"Exif\0\0no such thing"),
        encode(COLOUR, "WEBP"),
        "EXIF: not a TIFF file",
    ),
    "EXIF chunk with a wrong checksum": (
        hurt(oriented(6, "PNG"), b"eXIf"),
        oriented(6, "PNG"),
        "eXIf with a wrong checksum; taken in orientation 6",
    ),
    "megabytes of text": (LONG, png(1, 2, 8, 0, b"\0\x07\0\x09"), "zTXt of more than 1 MiB"),
    "text that ends early": (with_text(zlib.compress(b"x" * 99)[:-4]), LONG, "zTXt that ends earl"),
    "text that is none": (with_text(b"no zlib"), LONG, "zTXt that cannot be unpacked"),
    "text with a wrong checksum": (hurt(LONG, b"zTXt"), LONG, "zTXt with a wrong checksum"),
}


@pytest.mark.parametrize("name", METADATA)
def test_pixels_count_where_metadata_are_damaged_and_the_damage_is_named(name: str) -> None:
    damaged, whole, message = METADATA[name]
    found = read(damaged)
    np.testing.assert_array_equal(found.pixels, decode(whole))
    assert message in found.damage
    assert "\n" not in found.damage


def test_whole_metadata_are_no_finding() -> None:
    text = PngInfo()
    text.add_itxt("note", "packed", zip=True)
    text.add_itxt("note", "plain")
    text.add_text("note", "packed", zip=True)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for encoded in (*GOOD.values(), encode(COLOUR, pnginfo=text, icc_profile=profile), oriented(3)):
        assert read(encoded).damage == ""


@pytest.mark.parametrize("frame", [b"", chunk(b"fcTL", struct.pack(">IIIII6x", 0, 1, 2, 0, 0))])
def test_an_animation_of_one_frame_is_a_still_image(frame: bytes) -> None:
    """Some programs write every PNG file so."""
    one = chunk(b"acTL", struct.pack(">II", 1, 0)) + frame
    assert decode(png(1, 2, 8, 0, b"\0\x07\0\x09", extra=one)).ravel().tolist() == [7, 9]


@pytest.mark.parametrize(
    "extra",
    [
        100_001 * chunk(b"tIME", bytes(7)),
        101 * chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20))),
        101 * chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"b")),
    ],
)
def test_a_file_of_countless_chunks_is_refused(extra: bytes) -> None:
    with pytest.raises(BadImage, match=r"too many chunks; allowed 100,000 chunks, 100 of them com"):
        decode(png(1, 1, 8, 0, bytes(2), extra=extra))


def test_many_plain_texts_are_no_damage() -> None:
    found = read(png(1, 2, 8, 0, b"\0\x07\0\x09", extra=1000 * chunk(b"tEXt", b"a\0b")))
    assert found.pixels.ravel().tolist() == [7, 9]
    assert found.damage == ""


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize(("bits", "colour"), [(1, 0), (4, 3), (8, 0), (8, 2), (16, 6)])
def test_a_black_image_has_all_its_rows(bits: int, colour: int, interlace: int) -> None:
    sizes = [(w, h) for w in (1, 2, 5, 9) for h in (1, 2, 5, 9)]
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
    palette = chunk(b"PLTE", bytes(3)) if colour == 3 else b""
    steps = [(w, h) for _, _, w, h in ADAM7]
    assert steps == [(8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2)]
    for width, height in sizes:
        passes = ADAM7 if interlace else ((0, 0, 1, 1),)
        lines = [
            len(range(left, width, step))
            for left, top, step, down in passes
            for _ in range(top, height, down)
        ]
        rows = [bytes(1 + (n * channels * bits + 7) // 8) for n in lines if n]
        whole = png(width, height, bits, colour, b"".join(rows), interlace, palette)
        assert decode(whole).shape[:2] == (height, width)
        if len(rows) > 1:
            with pytest.raises(BadImage):
                decode(png(width, height, bits, colour, b"".join(rows[:-1]), interlace, palette))


def test_libtiff_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    good = encode(picture(), "TIFF", compression="jpeg")
    at = good.index(b"\xff\xda")
    other = good[:at] + b"\xff\x8f" + good[at + 2 :]  # a marker that JPEG does not have
    for encoded in (other, BROKEN["a fax with other bytes within"][0]):
        with pytest.raises(BadImage, match=r"unreadable: (JPEGLib|Fax4Decode): "):
            decode(encoded)
    assert decode(good).shape == (40, 60, 3)
    assert capfd.readouterr().err == ""
