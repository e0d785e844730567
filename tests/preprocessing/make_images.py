"""Bytes of real image files, good and broken."""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image


def picture(height: int = 40, width: int = 60, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Return a smooth picture with some noise, which a decoder treats like a photo."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / (5 + c) + seed) + np.cos(columns / (7 - c)) for c in range(channels)]
    noisy = 128 + 50 * np.stack(waves, -1) + generator.normal(0, 6, (height, width, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def encode(image: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Encode an image file; `options` are those of Pillow's `save`."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image.squeeze(-1) if image.shape[2:] == (1,) else image)
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    width: int,
    height: int,
    bits: int,
    colour: int,
    rows: bytes,
    interlace: int = 0,
    extra: bytes = b"",
) -> bytes:
    """Build a PNG file that Pillow cannot write; `rows` begin with their filter, 0.

    Args:
        extra: chunks before the pixels.
    """
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    pixels = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + pixels + chunk(b"IEND", b"")


def hurt(encoded: bytes, name: bytes) -> bytes:
    """Return a PNG file in which the checksum of the chunk `name` is wrong."""
    at = encoded.index(name) - 4
    end = at + 8 + int.from_bytes(encoded[at : at + 4])
    return encoded[:end] + bytes([encoded[end] ^ 1]) + encoded[end + 1 :]


def cut_exif(orientation: int) -> bytes:
    """Return a JPEG file whose EXIF block lacks its last bytes, after the orientation."""
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = orientation, "artist" * 20
    jpeg = encode(picture(), "JPEG", exif=exif)
    at = jpeg.index(b"\xff\xe1") + 2
    size = int.from_bytes(jpeg[at : at + 2])
    return jpeg[:at] + (size - 10).to_bytes(2) + jpeg[at + 2 : at + size - 10] + jpeg[at + size :]


def oriented(orientation: int, kind: str = "JPEG") -> bytes:
    """Return a file whose EXIF block gives its orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(picture(), kind, exif=exif)


def animated(kind: str) -> bytes:
    """Return an image with three frames: GIF, WEBP, PNG or TIFF."""
    frames = [Image.fromarray(picture(seed=seed)) for seed in range(3)]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:])


def cmyk(kind: str = "JPEG") -> bytes:
    """Return an image of four inks.

    A JPEG has Adobe's mark, in which the last byte is 0 for CMYK and 2 for YCCK.
    """
    return encode(Image.fromarray(picture()).convert("CMYK"), kind)


ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"


PHOTO = encode(picture(), "JPEG", quality=90)
SMALL_PNG = encode(picture(8, 8))
FAX = encode(Image.fromarray(picture()).convert("1"), "TIFF", compression="group4")

BROKEN = {
    "zero bytes": (b"", "empty"),
    "a web page": (b"<!DOCTYPE html><title>404</title>", "not an image"),
    "text": (b"hello", "not an image"),
    "a vector image": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported"),
    "a PDF": (b"%PDF-1.7 and so on", "unsupported"),
    "a photo of a newer phone": (b"\0\0\0\x18ftypheic\0\0\0\0", "unsupported"),
    "a JPEG cut in its pixels": (PHOTO[:-300], "truncated"),
    "a JPEG cut by its last byte": (PHOTO[:-1], "truncated"),
    "a JPEG cut in its header": (PHOTO[:100], "truncated"),
    "a JPEG with other bytes within": (PHOTO[:900] + b"\xff\xd7\x55" + PHOTO[930:], "unreadable"),
    "a PNG cut in its pixels": (SMALL_PNG[:-30], "truncated"),
    "a PNG cut in its header": (SMALL_PNG[:20], "truncated"),
    "a PNG with a changed byte": (SMALL_PNG[:60] + b"\0" + SMALL_PNG[61:], "unreadable"),
    "a WebP cut": (encode(picture(), "WEBP")[:-100], "truncated"),
    "a BMP cut": (encode(picture(), "BMP")[:-100], "truncated"),
    "a TIFF cut": (encode(picture(), "TIFF")[:2000], "truncated"),
    "a GIF cut": (encode(picture(), "GIF")[:-200], "truncated"),
    "a PNG that promises 10 gigapixels": (png(100_000, 100_000, 8, 2, b"\0"), "too large"),
    "400 megapixels in 50 kB": (png(20_000, 20_000, 1, 0, b"\0" * 20_000 * 2501), "too large"),
    "a PNG that contradicts itself": (
        SMALL_PNG[:33] + chunk(b"acTL", bytes(8)) + SMALL_PNG[33:],  # animated, of no frames
        "unreadable",
    ),
    "a PNG without its last rows": (png(8, 8, 8, 0, (b"\0" + b"\x99" * 8) * 7), "truncated"),
    "an interlaced PNG without its last pass": (png(2, 2, 8, 0, b"\0\x99\0\x99", 1), "truncated"),
    "a fax with other bytes within": (FAX[:100] + b"\x55" * 20 + FAX[120:], "unreadable"),
    "an animated GIF": (animated("GIF"), "animated"),
    "an animated WebP": (animated("WEBP"), "animated"),
    "an animated PNG": (animated("PNG"), "animated"),
    "a TIFF of three pages": (animated("TIFF"), "animated"),
    "a TIFF of floats": (encode(Image.new("F", (4, 4)), "TIFF"), "unsupported"),
    "a TIFF of 32 bits": (encode(Image.new("I", (4, 4)), "TIFF"), "unsupported"),
}
"""A description, the bytes, and the kind of bad image."""
