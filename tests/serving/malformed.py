"""Requests that no client should send, as (headers, body), from a seed."""

import base64
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from tests.preprocessing.make_images import chunk, encode, png

JSON = {"content-type": "application/json"}
Request = tuple[dict[str, str], bytes]


def records(*images: Any) -> bytes:
    """A well-formed table of what may be images."""
    return json.dumps({"dataframe_records": [{"image": image} for image in images]}).encode()


def text_of(encoded: bytes) -> str:
    return base64.b64encode(encoded).decode()


def picture(kind: str, rng: random.Random) -> bytes:
    """A small file of an image."""
    pixels = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (12, 9, 3), np.uint8)
    return encode(pixels, kind)


KINDS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
BOMBS = [
    png(60_000, 60_000, 8, 0, bytes(2**20)),
    png(5000, 5000, 8, 2, bytes(2**20)),  # which lacks most rows
    encode(Image.new("L", (9, 9)), "TIFF").replace(struct.pack("<I", 9), struct.pack("<I", 60_000)),
    b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\2L\1\0;",
    b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 2**30, 2**30, 1, 24, *[0] * 6),
]
SLOW_BOMBS = [  # which take a tenth of a second each to find out
    png(1, 1, 8, 0, bytes(2), extra=2**17 * chunk(b"tIME", b"")),
    png(1, 1, 8, 0, bytes(2), extra=2**7 * chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20)))),
]
SECRETS = (
    "/etc/passwd", "../../params.yaml", "artifacts/model/MLmodel", "file:///etc/hosts",
    "http://169.254.169.254/latest/meta-data", "s3://bucket/a.png", "models:/convoy/1",
    "C:\\Windows\\win.ini", "\\\\host\\share\\a.png", "~/.ssh/id_rsa", "/dev/zero",
    "/proc/self/mem", "data:image/png;base64,AAAA", "photos/a.png\x00.jpg", "${jndi:ldap://x/a}",
    "", " ", "\ud800",
)  # fmt: skip
VALUES = (
    None, True, False, 0, -1, 3.5, 10**400, 1e308, {}, [], [[]], [[[]]], [None], [[None]], {"a": 1},
    [[1, 2], [3]], [["1", "2"]], [[True, False]], [[0.5]], [[-1]], [[256]], [[10**30]], [[10**400]],
    [[[1, 2]]], [[[[1]]]], [1, 2, 3], [{"image": 1}], [["a" * 5000, "b"]], {"bytes": "AAAA"},
    "AAAA",
)  # fmt: skip
ALONE: dict[str, tuple[bytes, ...]] = {
    "not JSON": (
        b"", b"{", b"null", b"[]", b"0", b'"text"', b"\xff\xfe\x00", b"\x80abc", b"{'a': 1}",
        b'{"dataframe_records": [{"image": "AAAA"}]', b'{"a": 1}{"b": 2}', bytes(1000),
        '{"dataframe_records": []}'.encode("utf-16"), b"\xef\xbb\xbf{}", b"image\nAAAA\n",
    ),
    "not numbers": tuple(
        b'{"dataframe_records": [{"image": [[%s, 1]]}]}' % number
        for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 5000, b"1e-9")
    ),
    "another form": tuple(
        json.dumps(tree).encode()
        for tree in (
            {}, {"image": "AAAA"}, {"inputs": ["AAAA"]}, {"instances": [{"image": "AAAA"}]},
            {"inputs": {"image": ["AAAA"]}}, {"dataframe_records": []}, {"dataframe_records": {}},
            {"dataframe_records": [1]}, {"dataframe_records": [{"picture": "AAAA"}]},
            {"dataframe_records": [{"image": "AAAA", "path": "/etc/passwd"}]},
            {"dataframe_records": [{"image": "AAAA"}], "params": {"max_pixels": 1}},
            {"dataframe_records": [{"image": "A"}], "dataframe_split": {}}, {"dataframe_split": []},
            {"dataframe_split": {"data": [["AAAA"]]}}, {"dataframe_split": {"columns": ["image"]}},
            {"dataframe_split": {"columns": ["image"], "data": [["AAAA", 1]]}},
            {"dataframe_split": {"columns": ["image"], "data": {"0": ["AAAA"]}}},
            {"dataframe_split": {"columns": ["image", "image"], "data": [["AAAA", "AAAA"]]}},
            {"dataframe_split": {"columns": ["image"], "data": [["AAAA"]], "index": [1, 2]}},
            {"dataframe_split": {"columns": ["image"], "data": [["AAAA"]], "index": [[{}]]}},
            {"dataframe_split": {"columns": ["image"], "data": [["A"]], "index": {"a": 1}}},
            {"messages": [{"role": "user", "content": "hello"}]}, {"input": "AAAA"}, {"prompt": 1},
        )
    ),
}  # fmt: skip


def _deep(rng: random.Random) -> bytes:
    depth = rng.choice((13, 100, 990, 1000, 5000, 100_000))
    left, right = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"image": [', b"]}")))
    middle = left * depth + b"1" + right * depth * rng.randrange(2)
    return b'{"dataframe_records": [{"image": ' + middle + b"}]}"


def _truncated(rng: random.Random) -> bytes:
    whole = picture(rng.choice(KINDS), rng)
    return records(text_of(whole[: rng.randrange(len(whole) // 3)]))


def _garbled(rng: random.Random) -> bytes:
    """A request of a good image that loses or changes bytes of its frame."""
    whole = bytearray(records(text_of(picture("PNG", rng))))
    for _ in range(rng.randrange(1, 4)):
        whole[rng.randrange(30)] = rng.randrange(256)
    return bytes(whole)


def _secret(rng: random.Random) -> bytes:
    return records(*rng.sample(SECRETS, rng.randrange(1, 4)))


def _value(rng: random.Random) -> bytes:
    return records(*rng.sample(VALUES, rng.randrange(1, 4)))


def _bomb(rng: random.Random) -> bytes:
    return records(text_of(rng.choice(BOMBS if rng.random() < 0.98 else SLOW_BOMBS)))


def _noise(rng: random.Random) -> bytes:
    return records(text_of(rng.choice((b"", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"\xff\xd8"))
                           + rng.randbytes(rng.randrange(200))))  # fmt: skip


def _many(rng: random.Random) -> bytes:
    return records(*["AAAA"] * rng.choice((1000, 257)))


def _alone(rng: random.Random) -> bytes:
    return rng.choice(ALONE[rng.choice(list(ALONE))])


MAKERS: tuple[Callable[[random.Random], bytes], ...] = (
    _deep, _truncated, _garbled, _secret, _value, _bomb, _noise, _many, _alone, _alone,
)  # fmt: skip
TYPES = (
    "text/csv", "application/vnd.apache.parquet", "image/png", "multipart/form-data; boundary=x",
    "application/json; charset=utf-7", "json", "",
)  # fmt: skip


def malformed(number: int, seed: int) -> Iterator[Request]:
    """Yield that many requests."""
    rng = random.Random(seed)
    for _ in range(number):
        body = rng.choice(MAKERS)(rng)
        yield ({"content-type": rng.choice(TYPES)} if rng.random() < 0.05 else JSON), body
