"""Galleries of errors: the image, the prediction, and where the network looked."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from pipeline.core.artifacts import rows_of
from pipeline.core.files import write_json
from pipeline.core.kind import Kind
from pipeline.evaluation.tables import Row
from pipeline.images.packed import Packed
from pipeline.inspection.explain import grad_cam
from pipeline.models.network import Network

SIDE_PX = 112
MOST = 16  # items in a section
EXAMPLES = 4  # for each pair


class Evidence(NamedTuple):
    """The network output behind a prediction, and whether it had to be high (1) or low (-1)."""

    output: int
    sign: int


Reader = Callable[[Row], Evidence]


@dataclass(frozen=True)
class Item:
    """One image of the gallery; paths are relative to the gallery."""

    id: str
    caption: str
    image: str
    map: str | None
    """Where the network looked; None for a network without a saliency map."""


def mistakes(rows: Iterable[Row]) -> list[tuple[Row, str]]:
    """Return the most confident mistakes with captions."""
    return [
        (row, f"{row['true']}, predicted {row['predicted']} ({float(row['probability']):.0%})")
        for row in islice(rows, MOST)
    ]


def misses(rows: Iterable[Row]) -> list[tuple[Row, str]]:
    """Return the largest errors of values with captions."""
    return [
        (row, f"{row['value']} {float(row['true']):.6g}, predicted {float(row['predicted']):.6g}")
        for row in islice(rows, MOST)
    ]


def confused(pairs: Iterable[Row], mistakes: Sequence[Row]) -> list[tuple[Row, str]]:
    """Return the most confident mistakes of each of the most frequently confused pairs."""
    found = []
    for pair in islice(pairs, MOST // EXAMPLES):
        own = (m for m in mistakes if all(m[key] == pair[key] for key in ("true", "predicted")))
        caption = (
            f"{pair['true']}, predicted {pair['predicted']}: {pair['count']} of {pair['num_true']}"
        )
        found += [(row, caption) for row in islice(own, EXAMPLES)]
    return found


def suspects(rows: Iterable[Row]) -> list[tuple[Row, str]]:
    """Return suspected label errors with captions."""
    return [
        (row, f"labelled {row['given']}, rather {row['suggested']}") for row in islice(rows, MOST)
    ]


def write(
    folder: Path,
    name: str,
    chosen: Sequence[tuple[Row, str]],
    packed: Packed,
    network: Network,
    evidence_of: Reader,
) -> list[Item]:
    """Write the images of the rows' samples as PNG; the same pixels give the same bytes."""
    if not chosen:
        return []
    images = np.asarray(packed.images[rows_of(packed.ids, (row["id"] for row, _ in chosen))])
    evidence = [evidence_of(row) for row, _ in chosen]
    maps = grad_cam(network, images, *(np.array(part) for part in zip(*evidence, strict=True)))
    items = []
    for place, (row, caption) in enumerate(chosen):
        stem = f"{name}_{place:02d}"
        _save(folder / f"{stem}.png", _enlarged(images[place]))
        if maps is not None:
            overlaid = _overlaid(_cropped(images[place], maps[place]), maps[place])
            _save(folder / f"{stem}_map.png", overlaid)
        map_path = f"{stem}_map.png" if maps is not None else None
        items.append(Item(row["id"], caption, f"{stem}.png", map_path))
    return items


def write_index(folder: Path, sections: dict[str, list[Item]], looked_with: str) -> None:
    """Write `gallery.json`, which the report reads."""
    tree = {name: [asdict(item) for item in items] for name, items in sections.items()}
    write_json(folder / "gallery.json", {"looked_with": looked_with, "sections": tree})


def evidence_in(kind: Kind, names: Sequence[str], num_outputs: int, column: str) -> Reader:
    """Return a function that finds the evidence for the prediction in a table's column."""

    def evidence_of(row: Row) -> Evidence:
        if kind == "values":
            return Evidence(names.index(row["value"]), 1 if float(row["error"]) > 0 else -1)
        answer = row[column]
        if kind == "labels":
            is_absent = answer not in names  # "no NAME"
            name = answer.removeprefix("no ") if is_absent else answer
            return Evidence(names.index(name), -1 if is_absent else 1)
        place = names.index(answer)
        return Evidence(place, 1) if num_outputs > 1 else Evidence(0, 2 * place - 1)

    return evidence_of


def _cropped(image: UInt8[np.ndarray, "h w c"], map_: Float[np.ndarray, "h2 w2"]) -> np.ndarray:
    """Return the part of the image that the network sees."""
    top, left = (image.shape[0] - map_.shape[0]) // 2, (image.shape[1] - map_.shape[1]) // 2
    return image[top : top + map_.shape[0], left : left + map_.shape[1]]


def _enlarged(image: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h2 w2 3"]:
    factor = SIDE_PX / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    how = cv2.INTER_NEAREST if factor > 1 else cv2.INTER_AREA
    colour = np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))
    return np.asarray(cv2.resize(colour, size, interpolation=how))


def _overlaid(
    image: UInt8[np.ndarray, "h w c"], map_: Float[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h2 w2 3"]:
    large = _enlarged(image)
    size = (large.shape[1], large.shape[0])
    smooth = cv2.resize(map_.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    heat = cv2.applyColorMap(np.round(smooth * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    return np.asarray(cv2.addWeighted(large, 0.45, cv2.cvtColor(heat, cv2.COLOR_BGR2RGB), 0.55, 0))


def _save(path: Path, pixels: UInt8[np.ndarray, "h w 3"]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, optimize=True)
