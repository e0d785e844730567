"""Check a PNG file chunk by chunk, since Pillow skips the checksums of the pixels' chunks.

Format: https://www.w3.org/TR/png-3.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.images.bad_image import BadImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
METADATA = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf")
FRAMES = (b"acTL", b"fcTL", b"fdAT")
MAX_TEXT_BYTES = 2**20  # Pillow refuses a file in which a text unpacks to more
MAX_CHUNKS = 100_000  # the largest image, in the 8 KiB that encoders write at once, has 33,000
MAX_PACKED = 100  # texts and profiles that may each unpack to MAX_TEXT_BYTES
BLOCK_BYTES = 2**24  # unpacked at once to count the rows
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))  # fmt: skip
"""First column and row, and steps between columns and rows, of each pass of an interlaced file."""
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type


class Chunk(NamedTuple):
    """A part of the file."""

    at: int
    name: bytes
    content: bytes
    is_whole: bool
    """Whether its checksum fits."""

    def with_checksum(self) -> bytes:
        """Return the chunk as a file stores it."""
        named = self.name + self.content
        return struct.pack(">I", len(self.content)) + named + struct.pack(">I", zlib.crc32(named))


def checked(encoded: bytes) -> tuple[bytes, str]:
    """Return the file without text and colour profiles, and what is damaged in its metadata.

    The EXIF block stays, with a new checksum if its own is wrong: if it can be read nevertheless,
    its orientation is more likely right than lost. So does an animation of several frames; one that
    promises a single frame is a still image.

    Raises:
        BadImage: the file ends early, or the checksum of a chunk beside the metadata is wrong.
    """
    kept, damage, frames = [], [], []
    counts: Counter[bool] = Counter()
    for chunk in _chunks(encoded):
        counts[_packed(chunk) is not None] += 1
        if counts.total() > MAX_CHUNKS or counts[True] > MAX_PACKED:
            few = f"{MAX_CHUNKS:,} chunks, {MAX_PACKED} of them compressed texts"
            raise BadImage("unreadable", f"a PNG of too many chunks; allowed {few}")
        if chunk.name in METADATA:
            damage += _damage(chunk)
        elif not chunk.is_whole:
            raise BadImage("unreadable", f"wrong checksum in the PNG chunk at byte {chunk.at:,}")
        if chunk.name in FRAMES:
            frames.append(chunk)
        if chunk.name not in METADATA or chunk.name == b"eXIf":
            kept.append(chunk)
    if _is_still(frames):
        kept = [chunk for chunk in kept if chunk.name not in FRAMES]
    return SIGNATURE + b"".join(chunk.with_checksum() for chunk in kept), "; ".join(damage)


def has_all_rows(encoded: bytes) -> bool:
    """Unpack the pixels and count them, since Pillow leaves rows black that a file lacks."""
    width, height, bits, colour, _, _, is_interlaced = struct.unpack_from(">IIBBBBB", encoded, 16)
    row_bits = bits * CHANNELS[colour]
    due = 0
    for left, top, step, down in ADAM7 if is_interlaced else ((0, 0, 1, 1),):
        columns, rows = -((left - width) // step), -((top - height) // down)
        due += rows * (1 + -(-columns * row_bits // 8)) if columns > 0 and rows > 0 else 0
    packed = b"".join(chunk.content for chunk in _chunks(encoded) if chunk.name == b"IDAT")
    unpacker, held = zlib.decompressobj(), 0
    while held < due and (part := unpacker.decompress(packed, BLOCK_BYTES)):
        held, packed = held + len(part), unpacker.unconsumed_tail
    return held >= due


def _chunks(encoded: bytes) -> Iterator[Chunk]:
    at, name = len(SIGNATURE), b""
    while name != b"IEND":
        if at + 12 > len(encoded):
            raise BadImage("truncated", "the PNG ends before its last chunk")
        size, name = struct.unpack_from(">I4s", encoded, at)
        end = at + 8 + size
        if end + 4 > len(encoded):
            raise BadImage("truncated", f"the PNG ends within a chunk of {size:,} bytes")
        content = encoded[at + 8 : end]
        checksum = zlib.crc32(content, zlib.crc32(name))
        yield Chunk(at, name, content, checksum == int.from_bytes(encoded[end : end + 4]))
        at = end + 4


def _is_still(frames: list[Chunk]) -> bool:
    """Return whether the file says that it is animated, but of one frame and with no other."""
    numbers = [chunk.content[:4] for chunk in frames if chunk.name == b"acTL"]
    return numbers == [bytes([0, 0, 0, 1])] and all(chunk.name != b"fdAT" for chunk in frames)


def _damage(chunk: Chunk) -> list[str]:
    """Return what is wrong with a chunk of metadata; nothing if it is whole."""
    name, packed = chunk.name.decode(), _packed(chunk)
    if not chunk.is_whole:
        return [f"{name} with a wrong checksum"]
    if packed is None:
        return []
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed, MAX_TEXT_BYTES)
    except zlib.error:
        return [f"{name} that cannot be unpacked"]
    if unpacker.unconsumed_tail:
        return [f"{name} of more than 1 MiB"]
    return [] if unpacker.eof else [f"{name} that ends early"]


def _packed(chunk: Chunk) -> bytes | None:
    """Return what is compressed in a chunk, after its keyword; None if nothing is."""
    _, _, rest = chunk.content.partition(b"\0")
    if chunk.name in (b"zTXt", b"iCCP"):
        return rest[1:]  # after the method
    if chunk.name == b"iTXt" and rest.startswith(b"\1"):
        return rest.split(b"\0", 3)[-1]  # after the method 0, a language and a translated keyword
    return None
