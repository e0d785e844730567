"""The near-duplicate search: its time against comparing every pair, its findings and its misses.

    taskset -c 0 python -m bench.duplicates [FOLDER]        (default: data/raw/fashion-mnist)

Times are paired, on one core: the k-d tree alternates with a matrix product of all standardised
thumbnails. The findings are listed by distance, next to the pairs whose 64-bit pHash differs in up
to 4 bits (computed as in ImageHash: the 8×8 lowest DCT frequencies of a 32×32 picture, above their
median or not). The misses are measured on modified copies of originals, also among parts below a
fixed camera, which all look alike. Without Fashion-MNIST all of it runs on synthetic pictures.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from scipy.fft import dctn
from sklearn.datasets import load_digits

from bench.paired import ratio, shown
from pipeline.preprocessing.duplicates import digests, equal_pairs, near_pairs, thumbnails, units
from pipeline.preprocessing.pairs import within_crowd
from pipeline.preprocessing.sources import idx

DISTANCE = 0.1
DISTANCES = (0.02, 0.05, 0.1, 0.15)
NONE_EQUAL = np.empty((0, 2), np.int64)


def scenes(num: int, side: int) -> np.ndarray:
    """Make smooth colour noise in octaves with hard-edged shapes and a little sensor noise."""
    random = np.random.default_rng(0)
    made = np.zeros((num, side, side, 3), np.uint8)
    for picture in made:
        levels = np.zeros((side, side, 3))
        for octave in range(1, 8):
            waves = random.normal(size=(2**octave + 1, 2**octave + 1, 3))
            levels += cv2.resize(waves, (side, side), interpolation=cv2.INTER_CUBIC) * 0.6**octave
        levels = (levels - levels.min()) / np.ptp(levels) * 160 + 40
        for _ in range(6):
            first, size = random.integers(0, side, 2), random.integers(side // 25, side // 3, 2)
            corners = (first.tolist(), (first + size).tolist())
            cv2.rectangle(levels, *corners, random.integers(0, 256, 3).tolist(), -1)
        picture[:] = np.clip(levels + random.normal(0, 4, levels.shape), 0, 255)
    return made


def standardised(images: np.ndarray) -> np.ndarray:
    vectors = thumbnails(images).reshape(len(images), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def brute_force(thumbs: np.ndarray) -> int:
    """Compare every pair; return the number of near duplicates, each with itself included."""
    vectors, least = standardised(thumbs), 1 - DISTANCE**2 / 2
    return sum(
        int((vectors[i : i + 1024] @ vectors[i:].T > least).sum())
        for i in range(0, len(vectors), 1024)
    )


def search(thumbs: np.ndarray, distance: float = DISTANCE) -> np.ndarray:
    return near_pairs(thumbs, distance, NONE_EQUAL)


def speed(thumbs: np.ndarray) -> None:
    print(f"\n| images | every pair / k-d tree, distance {DISTANCE} |\n|---|---|")
    for num in (2000, 5000, 10_000):
        some = thumbs[:num]
        print(f"| {num:,} | {shown(ratio(partial(brute_force, some), partial(search, some), 7))} |")
    print("\n| ten times the images | time × |\n|---|---|")
    for method, few in ((brute_force, 1000), (search, 1000), (search, len(thumbs) // 10)):
        longer = ratio(partial(method, thumbs[: 10 * few]), partial(method, thumbs[:few]), 5)
        print(f"| {method.__name__}, {few:,} to {10 * few:,} | {shown(longer)} |", flush=True)


def found(name: str, images: np.ndarray) -> None:
    thumbs, equal = thumbnails(images), equal_pairs(digests(images))
    for distance in DISTANCES:
        sizes = sizes_of(len(images), near_pairs(thumbs, distance, equal))
        print(f"| {name}, {len(images):,} | {distance} | {described(sizes)} |", flush=True)


def sizes_of(num: int, pairs: np.ndarray) -> np.ndarray:
    return np.bincount(units(num, pairs, None))


def described(sizes: np.ndarray) -> str:
    return f"{sizes[sizes > 1].sum():,} | {sizes.max():,}"


def phash_pairs(images: np.ndarray) -> np.ndarray:
    """Return the pairs whose 64-bit perceptual hashes differ in at most 4 bits."""
    grey = images.mean(axis=3).astype(np.float32)
    square = np.stack([cv2.resize(g, (32, 32), interpolation=cv2.INTER_LANCZOS4) for g in grey])
    low = dctn(square, axes=(1, 2))[:, :8, :8].reshape(len(images), 64)
    bits = low > np.median(low, axis=1, keepdims=True)
    words = np.packbits(bits, axis=1).view(np.uint64).ravel()
    rows = [np.argwhere(np.bitwise_count(words ^ word) <= 4)[:, 0] for word in words]
    pairs = np.stack([np.repeat(np.arange(len(rows)), [*map(len, rows)]), np.concatenate(rows)], 1)
    return pairs[pairs[:, 0] < pairs[:, 1]]


def jpeg(quality: int, image: np.ndarray) -> np.ndarray:
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)


def brighter(factor: float, image: np.ndarray) -> np.ndarray:
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def smaller_and_back(image: np.ndarray) -> np.ndarray:
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def cropped(image: np.ndarray) -> np.ndarray:
    edge = max(1, round(0.01 * len(image)))
    return cv2.resize(image[edge:-edge, edge:-edge], image.shape[1::-1])


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{f"JPEG, quality {quality}": partial(jpeg, quality) for quality in (90, 75, 50)},
    "half the size and back": smaller_and_back,
    "20 % darker": partial(brighter, 0.8),
    "20 % brighter, clipped": partial(brighter, 1.2),
    "2 % cropped (28 px: 7 %)": cropped,
}


def recall(name: str, images: np.ndarray) -> None:
    originals = standardised(images)
    for change, make in COPIES.items():
        copies = np.stack([make(image).reshape(image.shape) for image in images])
        distances = np.linalg.norm(originals - standardised(copies), axis=1)
        shares = " | ".join(f"{(distances <= d).mean():.0%}" for d in DISTANCES)
        print(f"| {name} | {change} | {np.median(distances):.3f} | {shares} |", flush=True)


def parts(num: int, shift_px: float, noise: float) -> np.ndarray:
    """Make pictures of one part, 256 px: each is shifted, turned and lit a little differently, has
    sensor noise (grey levels), and every second one has a scratch."""
    random = np.random.default_rng(0)
    still = cv2.GaussianBlur(scenes(1, 272)[0], (0, 0), 1.5).astype(np.float32)
    made = np.zeros((num, 256, 256, 3), np.uint8)
    for i, image in enumerate(made):
        pose = cv2.getRotationMatrix2D((136, 136), random.normal(0, 0.2 * shift_px), 1)
        pose[:, 2] += random.normal(0, shift_px, 2) - 8
        shown = cv2.warpAffine(still, pose, (256, 256)) * (1 + random.normal(0, 0.03))
        if i % 2:
            start = random.integers(50, 200, 2)
            end = start + random.integers(-20, 20, 2)
            cv2.line(shown, start.tolist(), end.tolist(), (230, 230, 230), 2)
        image[:] = np.clip(shown + random.normal(0, noise, shown.shape), 0, 255)
    return made


def fixed_camera(num: int, shift_px: float, noise: float) -> None:
    """Print the units of parts, and how many copies of an eighth of them are found."""
    images = parts(num, shift_px, noise)
    crowd, copied = thumbnails(images), images[: num // 8]
    near, distance = within_crowd(crowd, NONE_EQUAL)
    before, after = (sizes_of(num, pairs) for pairs in (search(crowd), near))
    shares = []
    for change in ("half the size and back", "JPEG, quality 90", "JPEG, quality 75"):
        copies = thumbnails(np.stack([COPIES[change](image) for image in copied]))
        unit = units(
            num + len(copied), within_crowd(np.concatenate([crowd, copies]), NONE_EQUAL)[0], None
        )
        shares.append(f"{(unit[: len(copied)] == unit[num:]).mean():.0%}")
    print(
        f"| {num}, {shift_px} px, {noise} | {before.max()} | {distance:.3f} | {after.max()} | "
        f"{after[after > 1].sum()} | {' | '.join(shares)} |",
        flush=True,
    )


def main(folder: Path) -> None:
    photographs = scenes(300, 256)
    if folder.is_dir():
        listing = idx.load(idx.Params(name="idx"), folder, "classes")
        name, many = "Fashion-MNIST", np.stack([listing.read(i) for i in range(len(listing.ids))])
    else:
        print(f"{folder}: not found; synthetic pictures stand in for Fashion-MNIST")
        name, many = "synthetic", scenes(10_000, 28)
    print("\n| data | distance | images with a near duplicate | largest unit |\n|---|---|---|---|")
    digits = (load_digits().images * 15).astype(np.uint8)[..., None]
    found("digits", digits)
    found(name, many)
    for label, images in (("digits", digits), (name, many[:10_000])):
        pairs = phash_pairs(images)
        sizes = sizes_of(len(images), pairs)
        print(f"| {label}, {len(images):,} | pHash, {len(pairs):,} pairs | {described(sizes)} |")
    header = " | ".join(f"≤ {distance}" for distance in DISTANCES)
    print(f"\n| originals | copies | median distance | {header} |\n|---|---|---|---|---|---|---|")
    recall("scenes, 256 px", photographs)
    recall(f"{name}, 28 px", many[:: len(many) // 1000])
    print(
        "\n| parts, shift, noise | largest unit, 0.1 | distance, auto | largest unit, auto | "
        f"with a near duplicate | halved | quality 90 | quality 75 |\n|{'---|' * 8}"
    )
    for num in (80, 400):
        for shift_px in (0.0, 0.5, 1.0, 2.0):
            for noise in (1.0, 4.0):
                fixed_camera(num, shift_px, noise)
    speed(thumbnails(many))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/raw/fashion-mnist"))
