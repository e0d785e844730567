"""Read every sample once: fitted pixels, and the figures that the audit and the splits need.

The work is divided into chunks, with one process per core. A finished chunk is a file in the work
folder, so a run that was killed resumes where it stopped. Memory holds one chunk per process,
whatever the number of images.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int, UInt8
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from simplejpeg import encode_jpeg

from pipeline.core.errors import UserError
from pipeline.images.bad_image import BadImage
from pipeline.images.decode import decode, fit, read
from pipeline.preprocessing.duplicates import digests, thumbnails
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.scanned import Scan, Shape

CHUNK_BYTES = 16_000_000  # fitted pixels per chunk: small for memory, large for speed
CHUNK_ROWS = 2048
LINE_S = 5.0  # seconds between two lines of progress without a terminal
FIGURES = ("height_px", "width_px", "sums", "squares", "digests")


@dataclass(frozen=True)
class ReadingPlan:
    """How samples are read."""

    listing: Listing
    image_shape: Shape
    fit: Literal["crop", "pad"]
    storage: Literal["pixels", "jpegs", "files"]
    """pixels: fitted pixels; jpegs: these as JPEGs, if a file does not fit in its original form;
    files: original files."""
    quality: int | None = None
    """Quality of the JPEGs."""


def plan(
    listing: Listing,
    *,
    size_px: int | tuple[int, int] | None,
    channels: int | None,
    fit: Literal["crop", "pad"],
    budget_bytes: float,
    quality: int | None,
) -> ReadingPlan:
    """Choose the shape of the images, and whether pixels or encoded files are stored."""
    first, is_encoded = _first(listing)
    height_px, width_px = size_px if isinstance(size_px, tuple) else (size_px, size_px)
    own_channels = 3 if is_encoded else first.shape[2]
    shape = (
        height_px or first.shape[0],
        width_px or first.shape[1],
        channels or own_channels,
    )
    if not is_encoded or len(listing.ids) * int(np.prod(shape)) <= budget_bytes:
        return ReadingPlan(listing, shape, fit, "pixels")
    return ReadingPlan(listing, shape, fit, "jpegs" if quality else "files", quality)


def scan(plan: ReadingPlan, work: Path, *, any_size: bool) -> Scan:
    """Read all samples, except for chunks that `work` already holds.

    Args:
        any_size: whether images may have sizes other than the plan's.

    Raises:
        UserError: images differ in size and no size is set.
    """
    bounds = _bounds(len(plan.listing.ids), plan.image_shape)
    chunks = [work / f"chunk_{start:09d}.npz" for start, _ in bounds]
    todo = [(b, c) for b, c in zip(bounds, chunks, strict=True) if not c.is_file()]
    sizes = {path: stop - start for (start, stop), path in zip(bounds, chunks, strict=True)}
    done = len(plan.listing.ids) - sum(stop - start for (start, stop), _ in todo)
    context = get_context("fork")  # the listing is inherited, not sent
    workers = min(len(os.sched_getaffinity(0)), max(1, len(todo)))
    with ProcessPoolExecutor(workers, context, _inherit, (plan,)) as pool:
        finished = pool.map(_read_chunk, *zip(*todo, strict=True)) if todo else ()
        _show_progress((sizes[path] for path in finished), done, len(plan.listing.ids))
    scanned = _gather(plan.image_shape, chunks, work / "thumbs.npy")
    if not any_size:
        _one_size(plan, scanned)
    return scanned


def _first(listing: Listing) -> tuple[np.ndarray, bool]:
    """Return the first sample that can be read, and whether it was encoded."""
    for row in range(len(listing.ids)):
        try:
            raw = listing.read(row)
            return (decode(raw), True) if isinstance(raw, bytes) else (raw, False)
        except BadImage as error:
            last = f"{listing.ids[row]}: {error}"
    raise UserError(f"none of the {len(listing.ids)} images can be read; the last error: {last}")


def _bounds(num: int, image_shape: tuple[int, ...]) -> list[tuple[int, int]]:
    rows = max(1, min(CHUNK_ROWS, CHUNK_BYTES // int(np.prod(image_shape))))
    return [(start, min(start + rows, num)) for start in range(0, num, rows)]


_inherited: ReadingPlan


def _inherit(plan: ReadingPlan) -> None:
    # The pool takes SystemExit, which SIGTERM raises elsewhere, for the result of a chunk.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    global _inherited  # noqa: PLW0603  # one for each worker, set once before its first chunk
    _inherited = plan


def _read_chunk(bounds: tuple[int, int], path: Path) -> Path:
    """Read some samples and write the results atomically."""
    plan = _inherited
    num = bounds[1] - bounds[0]
    images = np.zeros((num, *plan.image_shape), np.uint8)
    sizes = np.zeros((num, 2), np.int64)
    files: list[bytes] = []
    bad: list[tuple[int, str, str]] = []
    damaged: list[tuple[int, str]] = []
    for place, row in enumerate(range(*bounds)):
        try:
            raw = plan.listing.read(row)
            sizes[place], damage = _fill(plan, raw, images[place])
            if damage:
                damaged.append((row, damage))
            files.append(_stored(plan, raw, sizes[place], images[place]))
        except BadImage as error:
            bad.append((row, error.kind, error.detail))
            files.append(b"")
    unfinished = path.with_suffix(".part.npz")
    np.savez(
        unfinished,
        images=images if plan.storage == "pixels" else images[:, :0],
        files=np.frombuffer(b"".join(files), np.uint8),
        ends=np.cumsum([len(file) for file in files]),
        thumbs=thumbnails(images),
        height_px=sizes[:, 0],
        width_px=sizes[:, 1],
        sums=images.sum(axis=(1, 2), dtype=np.int64),
        squares=np.square(images, dtype=np.uint16).sum(axis=(1, 2), dtype=np.int64),
        digests=digests(images),
        bad=np.array(json.dumps(bad)),
        damaged=np.array(json.dumps(damaged)),
    )
    unfinished.rename(path)
    return path


def _fill(
    plan: ReadingPlan, raw: bytes | np.ndarray, out: UInt8[np.ndarray, "h w c"]
) -> tuple[tuple[int, int], str]:
    """Write the fitted pixels of one sample into `out`.

    Return its original height and width, and what is damaged in its metadata.
    """
    if isinstance(raw, np.ndarray):
        out[:] = fit(raw, plan.image_shape, plan.fit)
        return (raw.shape[0], raw.shape[1]), ""
    found = read(raw, plan.image_shape[:2])
    out[:] = fit(found.pixels, plan.image_shape, plan.fit)
    return found.size_px, found.damage


def _stored(
    plan: ReadingPlan,
    raw: bytes | np.ndarray,
    size: Int[np.ndarray, " 2"],
    image: UInt8[np.ndarray, "h w c"],
) -> bytes:
    """Return the file to store in place of pixels, if JPEGs are stored."""
    if plan.storage != "jpegs":
        return b""  # pixels are stored, or files that are streamed from the source
    assert isinstance(raw, bytes) and plan.quality is not None
    if tuple(size) == plan.image_shape[:2]:
        return raw
    colours = "GRAY" if plan.image_shape[2] == 1 else "RGB"
    encoded: bytes = encode_jpeg(image, plan.quality, colours, "444")
    return encoded


def _gather(image_shape: Shape, chunks: list[Path], thumbs_path: Path) -> Scan:
    """Collect the figures of all chunks in memory, and their thumbnails in one file."""
    figures: dict[str, list[np.ndarray]] = {name: [] for name in FIGURES}
    bad: dict[int, BadImage] = {}
    damaged: dict[int, str] = {}
    with thumbs_path.open("wb") as file:
        for path in chunks:
            with np.load(path) as held:
                for name, parts in figures.items():
                    parts.append(held[name])
                listed = json.loads(held["bad"].item())
                bad |= {row: BadImage(kind, detail) for row, kind, detail in listed}
                damaged |= dict(json.loads(held["damaged"].item()))
                thumbs = held["thumbs"]
                file.write(thumbs.tobytes())
    joined = {name: np.concatenate(parts) for name, parts in figures.items()}
    shape = (len(joined["digests"]), *thumbs.shape[1:])
    mapped = np.memmap(thumbs_path, np.uint8, "r", shape=shape)
    return Scan(image_shape, **joined, bad=bad, damaged=damaged, thumbs=mapped, chunks=chunks)


def _one_size(plan: ReadingPlan, scanned: Scan) -> None:
    good = scanned.good
    sizes = np.stack([scanned.height_px[good], scanned.width_px[good]], axis=1)
    seen, first, counts = np.unique(sizes, axis=0, return_index=True, return_counts=True)
    if len(seen) > 1:
        order = np.argsort(-counts, kind="stable")[:3]
        examples = ", ".join(
            f"{seen[i][0]}×{seen[i][1]} ({counts[i]}, first {plan.listing.ids[good[first[i]]]})"
            for i in order
        )
        raise UserError(
            f"data.image.size_px: got null, but the images have {len(seen)} sizes: {examples}; "
            "set the size in pixels to which all are resized, such as 224 or [192, 256]"
        )


def _show_progress(finished: Iterable[int], done: int, total: int) -> None:
    """Show how many images are read: as a bar on a terminal, elsewhere as a line now and then.

    Args:
        finished: yields the number of images of each chunk when it is read.
        done: the number of images that an earlier run has read.
    """
    is_terminal, last_s = sys.stderr.isatty(), time.monotonic()
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not is_terminal) as bar:
        task = bar.add_task("preprocess", completed=done, total=total)
        for num in finished:
            done += num
            bar.advance(task, num)
            if not is_terminal and time.monotonic() - last_s > LINE_S:
                print(f"preprocess  {done:,} of {total:,} images", flush=True)
                last_s = time.monotonic()
