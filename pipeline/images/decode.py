"""Decode an image file to pixels, and fit them to the shape that a network takes.

Preprocessing, training from encoded storage, and serving all use this. Pillow reads the header and
identifies the file; `simplejpeg` decodes JPEGs, since it gives the same pixels in less time (0.58
ms where Pillow takes 0.7 to 0.9, at 500×375) and does not hide a damaged file; Pillow decodes the
rest. Every bad file is a `BadImage`.
"""

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Literal, NamedTuple

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import ExifTags, Image, UnidentifiedImageError

from pipeline.images import png, tiff
from pipeline.images.bad_image import BadImage, too_large

cv2.setNumThreads(0)  # parallel over images, not within one; a forked thread pool can hang

MAX_PIXELS = 89_478_485  # 256 MiB of RGB; Pillow's own default, whatever it has been set to

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
SIGNATURES = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"BM", b"II", b"MM", b"GIF8")  # of FORMATS
OTHERS = ((4, b"ftyp", "AVIF, HEIC or a video"), (4, b"jP  ", "JPEG 2000"), (0, b"%PDF", "PDF"),
          (0, b"8BPS", "Photoshop"), (128, b"DICM", "DICOM"), (0, b"<svg", "SVG"))  # fmt: skip

DAMAGED_METADATA = ("Truncated File Read", "Corrupt EXIF data", "Possibly corrupt EXIF data")
"""Pillow's warnings about EXIF blocks, which say nothing about the pixels. A TIFF file consists of
such blocks, but then its pixels cannot be read either."""
JPEGS = ("JPEG", "MPO")  # MPO: a phone's multi-picture file
GREY, COLOUR = {"1", "L"}, {"RGB", "P", "CMYK", "YCbCr"}
WIDE = {"I;16", "I;16B", "I;16L", "I;16N"}
TRANSPARENT = {"LA", "RGBA", "PA"}


class Decoded(NamedTuple):
    """The content of an image file."""

    pixels: UInt8[np.ndarray, "h w c"]
    size_px: tuple[int, int]
    """The upright, full-scale height and width."""
    damage: str
    """What is damaged in the metadata; "" if nothing is."""


def decode(
    encoded: bytes, shape: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "h w c"]:
    """Return the pixels alone; arguments and errors are those of `read`."""
    return read(encoded, shape, max_pixels).pixels


def read(
    encoded: bytes, shape: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS
) -> Decoded:
    """Decode the upright pixels of a JPEG, PNG, WebP, BMP, TIFF or one-frame GIF; c is 1 or 3.

    Grey stays grey, even with 16 bits (x / 257, rounded); 16-bit colour keeps its upper byte.
    Transparent pixels are laid on white. A phone's multi-picture JPEG gives its first picture.
    Damaged metadata leave the pixels as they are.

    Args:
        shape: the height and width needed. A JPEG may then come back smaller than it is, by 2 to 8,
            but at least twice this size: 12 megapixels to 224 px, fitted, take 36 ms instead of 71.
        max_pixels: what a header may promise, `MAX_PIXELS` at most.

    Raises:
        BadImage: for anything else that `encoded` may hold; nothing else is raised.
    """
    if not encoded:
        raise BadImage("empty", "0 bytes")
    try:
        image, turn, damage = _open(encoded, max_pixels)
        size_px = (image.width, image.height) if turn > 4 else (image.height, image.width)
        if image.format not in JPEGS:
            return Decoded(_upright(_pixels(image), turn), size_px, damage)
        needed = shape or (0, 0)
        pixels = _jpeg(encoded, image.mode, needed[::-1] if turn > 4 else needed)
        return Decoded(_upright(pixels, turn), size_px, damage)
    except BadImage:
        raise
    except Exception as error:  # a damaged file makes decoders raise nearly anything
        raise _explain(error, encoded) from None


def fit(
    image: UInt8[np.ndarray, "h w c"], shape: tuple[int, int, int], how: Literal["crop", "pad"]
) -> UInt8[np.ndarray, "height width channels"]:
    """Bring an image to `shape` and keep its aspect ratio; return it as it is if it has that shape.

    `crop` fills the shape and cuts off what sticks out on two sides; `pad` shows the whole image
    between black bars, which, unlike smeared edges, cannot be taken for content. Shrinking averages
    over areas; enlarging is bilinear, which, unlike bicubic, adds no values out of range. Grey
    becomes colour by repetition, colour becomes grey by Rec. 601.
    """
    if image.shape == shape:
        return image
    height, width, channels = shape
    if channels < image.shape[2]:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    image = (_crop if how == "crop" else _pad)(image, height, width)
    return np.repeat(image, channels, axis=2) if channels > image.shape[2] else image


def _open(encoded: bytes, max_pixels: int) -> tuple[Image.Image, int, str]:
    """Return a checked file, decoded unless it is a JPEG, its orientation and damaged metadata."""
    damage = ""
    if encoded.startswith(png.SIGNATURE):
        encoded, damage = png.checked(encoded)
    with _warnings_are_errors() as noted:
        image = Image.open(_Reader(encoded), formats=FORMATS)
        _check(image, max_pixels)
        if image.format not in JPEGS:
            with tiff.errors_are_raised():
                image.load()
        turn, fault = _orientation(image)
    if image.format == "PNG" and _may_lack_rows(image) and not png.has_all_rows(encoded):
        raise BadImage("truncated", "the PNG holds fewer rows than its header says")
    found = dict.fromkeys([damage, *(str(one.message) for one in noted), fault])  # each once
    damage = "; ".join(" ".join(text.split()) for text in found if text)
    return image, turn, f"{damage}; taken in orientation {turn}" if damage else ""


def _may_lack_rows(image: Image.Image) -> bool:
    """Return whether rows can be missing, which Pillow leaves black; a cheap look before a count.

    An interlaced file lacks rows in between; any other lacks the last one.
    """
    last = image.crop((0, image.height - 1, image.width, image.height))
    return bool(image.info.get("interlace")) or not np.asarray(last).any()


def _orientation(image: Image.Image) -> tuple[int, str]:
    """Return the EXIF orientation to undo, 1 to 8, and why it cannot be read, if so."""
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:  # Pillow raises nearly anything over damaged metadata
        return 1, f"EXIF: {error or type(error).__name__}"
    return turn if turn in range(1, 9) else 1, ""


class _Reader(BytesIO):
    """A reader that refuses to read past the end: Pillow pads a truncated file with grey where a
    program has set `LOAD_TRUNCATED_IMAGES`; this makes it an error everywhere."""

    def read(self, size: int | None = -1, /) -> bytes:
        held = super().read(size)
        if not held and size:
            raise OSError("truncated, the file ends early")
        return held


_LOCK = threading.Lock()


@contextmanager
def _warnings_are_errors() -> Iterator[list[warnings.WarningMessage]]:
    """Turn Pillow's warnings about contradictory files into errors; filters are global, so lock.

    Yield the list of those about metadata, which are no errors.
    """
    with _LOCK, warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for message in DAMAGED_METADATA:
            warnings.filterwarnings("always", message)
        yield noted


def _check(image: Image.Image, max_pixels: int) -> None:
    """Refuse, from the header alone, an image that is costly to decode or has no single meaning."""
    if image.width * image.height > max_pixels:
        raise too_large(image.width, image.height, max_pixels)
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise BadImage("animated", "more than one frame; save only the one you need")
    if image.mode not in GREY | COLOUR | WIDE | TRANSPARENT:
        raise BadImage(
            "unsupported",
            f"{image.format} in mode {image.mode}; save it with 8 or 16 bits per channel",
        )


def _jpeg(encoded: bytes, mode: str, needed: tuple[int, int]) -> UInt8[np.ndarray, "h w c"]:
    colours = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}[mode]
    height, width = needed
    pixels = simplejpeg.decode_jpeg(
        encoded, colours, min_height=2 * height, min_width=2 * width, min_factor=2
    )
    if mode != "CMYK":
        return np.asarray(pixels)
    inks = Image.fromarray(255 - pixels, "CMYK")  # JPEGs hold them inverted, as Adobe writes them
    return np.asarray(inks.convert("RGB"))


def _pixels(image: Image.Image) -> UInt8[np.ndarray, "h w c"]:
    """Return the pixels that Pillow has decoded, before they are rotated."""
    if image.mode in WIDE:
        return _narrow(image)
    is_grey = image.mode in GREY or image.mode == "LA"
    if image.mode in TRANSPARENT or "transparency" in image.info:
        image = Image.fromarray(on_white(np.asarray(image.convert("RGBA"))))
    pixels = np.asarray(image.convert("L" if is_grey else "RGB"))
    return pixels[..., None] if is_grey else pixels


def on_white(image: UInt8[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h w 3"]:
    """Lay red, green, blue and opacity on white."""
    white = Image.new("RGBA", image.shape[1::-1], "white")
    return np.asarray(Image.alpha_composite(white, Image.fromarray(image)).convert("RGB"))


def _narrow(image: Image.Image) -> UInt8[np.ndarray, "h w 1"]:
    wide = np.asarray(image).astype(np.uint32)[..., None]
    if "transparency" in image.info:
        wide[wide == image.info["transparency"]] = 0xFFFF
    return ((wide + 128) // 257).astype(np.uint8)  # x / 257 is never half-way between integers


def _upright(image: UInt8[np.ndarray, "h w c"], turn: int) -> UInt8[np.ndarray, "..."]:
    """Undo an EXIF orientation, 1 to 8 (EXIF 2.32, tag 0x0112)."""
    if turn > 4:
        image = image.transpose(1, 0, 2)
    rows = slice(None, None, -1 if turn in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if turn in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(image[rows, columns])


def _explain(error: Exception, encoded: bytes) -> BadImage:
    message = f"{error}" or type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        return _explain_unknown(encoded)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return BadImage("too large", message)
    is_short_webp = encoded.startswith(b"RIFF") and len(encoded) < 8 + int.from_bytes(
        encoded[4:8], "little"
    )
    if is_short_webp or "truncated" in message.lower() or "Premature end of JPEG" in message:
        return BadImage("truncated", message)
    return BadImage("unreadable", message)


def _explain_unknown(encoded: bytes) -> BadImage:
    start = f"starts with {encoded[:12]!r}"
    if encoded.startswith(SIGNATURES):
        return BadImage("unreadable", f"damaged header, {start}")
    for at, signature, name in OTHERS:
        if encoded.startswith(signature, at):
            return BadImage("unsupported", f"{name}; allowed JPEG, PNG, WebP, BMP, TIFF, GIF")
    return BadImage("not an image", start)


def _crop(image: UInt8[np.ndarray, "h w c"], height: int, width: int) -> UInt8[np.ndarray, "..."]:
    scale = max(height / image.shape[0], width / image.shape[1])
    # Far overhang goes first: 1 × 1000 pixels would become 224 × 224,000.
    rows, columns = _window(image.shape[0], height / scale), _window(image.shape[1], width / scale)
    image = _middle(image, rows, columns)
    size = max(height, round(rows * scale)), max(width, round(columns * scale))
    return _middle(_resize(image, *size), height, width)


def _window(size: int, needed: float) -> int:
    """Return a centred slice of at least `needed` of `size` pixels."""
    kept = math.ceil(needed)
    return min(size, kept + (size - kept) % 2)


def _middle(image: UInt8[np.ndarray, "h w c"], height: int, width: int) -> UInt8[np.ndarray, "..."]:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _pad(image: UInt8[np.ndarray, "h w c"], height: int, width: int) -> UInt8[np.ndarray, "..."]:
    scale = min(height / image.shape[0], width / image.shape[1])
    rows, columns = (max(1, round(n * scale)) for n in image.shape[:2])
    canvas = np.zeros((height, width, image.shape[2]), np.uint8)
    _middle(canvas, rows, columns)[:] = _resize(image, rows, columns)
    return canvas


def _resize(
    image: UInt8[np.ndarray, "h w c"], height: int, width: int
) -> UInt8[np.ndarray, "height width c"]:
    if image.shape[:2] == (height, width):
        return image
    shrinks = height < image.shape[0] or width < image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=how)
    return resized.reshape(height, width, image.shape[2])  # cv2 drops a single channel
