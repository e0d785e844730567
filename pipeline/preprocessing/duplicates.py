"""Find images that occur more than once: equal to the pixel, or nearly so.

Two images are near duplicates if the Euclidean distance d between their standardised thumbnails is
small: the mean is subtracted, and the result divided by its norm, over all pixels and channels
together. This means a correlation of 1 − d²/2, so a change of brightness or contrast does not
count.

The search is exact and not quadratic. An orthonormal projection never lengthens a distance, so a
k-d tree over the thumbnails' leading principal components finds every pair within the distance and
a few more, which a comparison of the whole thumbnails then rejects. A perceptual hash of 64 bits
looks at the same low frequencies, but quantises them to bits first and gives too many matches on
small images: bench/results/duplicates.md has the figures.
"""

from collections.abc import Iterator
from hashlib import blake2b

import cv2
import numpy as np
from jaxtyping import Int, UInt8
from scipy.linalg import eigh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial import cKDTree

THUMB_PX = 32
FLAT_STD = 2.0  # grey levels; below this, only noise is left, which has no direction
COMPONENTS = 16  # dimensions of the tree: more reject more pairs early, fewer are quicker to search
SAMPLE = 2048  # thumbnails from which the principal components are computed
ROUNDING = 1e-5  # float32 may lengthen a projected distance by this much
LEAF_SIZE = 64  # points of the tree that are compared one by one
CHUNK = 1024  # thumbnails held as floats at once
QUERIES = 2**14  # points whose neighbours are searched for at once
CANDIDATES = 2**16  # pairs compared at once


def thumbnails(images: UInt8[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n s t c"]:
    """Average every image over areas to at most 32×32 pixels."""
    num, height, width, channels = images.shape
    shape = (min(height, THUMB_PX), min(width, THUMB_PX))
    if shape == (height, width):
        return np.array(images)
    made = np.empty((num, *shape, channels), np.uint8)
    for image, thumb in zip(images, made, strict=True):
        small = cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA)
        thumb[:] = small.reshape(thumb.shape)  # cv2 drops a single channel
    return made


def digests(images: UInt8[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n 16"]:
    """Return 128 bits of BLAKE2b over the pixels: images of one shape are equal if these are."""
    made = [blake2b(image.tobytes(), digest_size=16).digest() for image in images]
    return np.frombuffer(b"".join(made), np.uint8).reshape(len(made), 16)


def equal_pairs(digests: UInt8[np.ndarray, "n 16"]) -> Int[np.ndarray, "p 2"]:
    """Pair the first of several equal images with each later one, sorted by the later."""
    keys = np.ascontiguousarray(digests).view("V16").ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    pairs = np.stack([first[group], np.arange(len(keys))], axis=1)
    later: np.ndarray = pairs[pairs[:, 0] != pairs[:, 1]]
    return later


def near_pairs(
    thumbs: UInt8[np.ndarray, "n s t c"], distance: float, equal: Int[np.ndarray, "e 2"]
) -> Int[np.ndarray, "p 2"]:
    """Return near duplicates: just enough pairs to connect all of them (a spanning forest).

    Args:
        thumbs: the result of `thumbnails`; may be a memory map, and is never held as floats as a
            whole.
        distance: 0 is the same picture up to brightness and contrast, √2 an unrelated one.
        equal: the result of `equal_pairs`; only the first of several equal images is compared.

    An image whose pixels vary by less than 2 grey levels (standard deviation) has no near
    duplicates. Memory grows by 150 bytes per image. Mutual near duplicates, such as the frames of a
    film, are counted pair by pair in the tree, but their thumbnails are compared only until they
    are connected.
    """
    rows = np.setdiff1d(np.arange(len(thumbs)), equal[:, 1])
    if len(rows) < 2:
        return np.empty((0, 2), np.int64)
    rows, points = _points(thumbs, rows)
    forest = np.empty((0, 2), np.int64)
    label = np.arange(len(thumbs))
    for candidates in _candidates(points, distance + ROUNDING):
        pairs = rows[candidates]
        pairs = pairs[label[pairs[:, 0]] != label[pairs[:, 1]]]
        near = pairs[_distances(thumbs, pairs) <= distance]
        if len(near):
            forest = _forest(len(thumbs), np.concatenate([forest, near]))
            label = units(len(thumbs), forest, None)
    return forest


def units(
    num: int, pairs: Int[np.ndarray, "p 2"], groups: list[str] | None
) -> Int[np.ndarray, " n"]:
    """Return the index of each sample's unit, which no split may divide.

    A unit is everything that pairs and equal group names connect, over any number of steps; ""
    means no group.
    """
    pairs = pairs if groups is None else np.concatenate([pairs, _grouped(groups)])
    labels: np.ndarray = connected_components(_graph(num, pairs), directed=False)[1]
    return labels.astype(np.int64)


def _grouped(groups: list[str]) -> np.ndarray:
    first: dict[str, int] = {}
    pairs = [(first.setdefault(name, i), i) for i, name in enumerate(groups) if name]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _graph(num: int, pairs: np.ndarray) -> coo_array:
    return coo_array((np.ones(len(pairs), np.int8), pairs.T), (num, num))


def _forest(num: int, pairs: np.ndarray) -> np.ndarray:
    tree = minimum_spanning_tree(_graph(num, pairs))
    return np.stack(tree.nonzero(), axis=1).astype(np.int64)


def _points(thumbs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return those of the rows that are not flat, and their principal components."""
    basis = _basis(thumbs[rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE), dtype=int)]])
    kept, points = [], []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        vectors, std = _standardised(thumbs[chunk])
        kept.append(chunk[std >= FLAT_STD])
        points.append(vectors[std >= FLAT_STD] @ basis)
    return np.concatenate(kept), np.concatenate(points, dtype=np.float64)  # the tree's own type


def _standardised(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the deviations from the mean as unit vectors, and their root mean square."""
    vectors = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(norms, 1e-6), norms[:, 0] / vectors.shape[1] ** 0.5


def _basis(sample: np.ndarray) -> np.ndarray:
    """Return orthonormal columns: the leading principal components of the mean over channels."""
    channels = sample.shape[-1]
    grey = _standardised(sample)[0].reshape(len(sample), -1, channels).mean(axis=2)
    size = grey.shape[1]
    leading = eigh(grey.T @ grey, subset_by_index=[max(0, size - COMPONENTS), size - 1])[1]
    return np.repeat(leading, channels, axis=0) / np.float32(channels**0.5)


def _candidates(points: np.ndarray, radius: float) -> Iterator[np.ndarray]:
    """Yield pairs of points within the radius, in chunks of about `CANDIDATES`."""
    tree = cKDTree(points, leafsize=LEAF_SIZE)
    # The order of the leaves touches the same memory again: 2.6 against 6.9 s for 70,000.
    for start in range(0, len(points), QUERIES):
        queries = tree.indices[start : start + QUERIES]
        # Counted first, so that a crowd of near duplicates is split into small chunks.
        sizes = tree.query_ball_point(points[queries], radius, return_length=True, workers=-1)
        queries, sizes = queries[sizes > 1], sizes[sizes > 1]  # each is within its own radius
        cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // CANDIDATES)) + 1
        for first, size in zip(np.split(queries, cuts), np.split(sizes, cuts), strict=True):
            found = tree.query_ball_point(points[first], radius)
            second = np.concatenate([np.empty(0, np.int64), *found])
            pairs = np.stack([np.repeat(first, size), second], axis=1)
            yield pairs[pairs[:, 0] < pairs[:, 1]]


def _distances(thumbs: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    made = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), CHUNK):
        part = slice(start, start + CHUNK)
        first, second = (_standardised(thumbs[pairs[part, side]])[0] for side in (0, 1))
        made[part] = np.linalg.norm(first - second, axis=1)
    return made
