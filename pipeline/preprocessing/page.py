"""Write the audit as one page that opens without a network."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.core.files import write_json
from pipeline.images.bad_image import BadImage
from pipeline.images.decode import decode, fit
from pipeline.preprocessing.audit import Finding, label, summary, write_findings
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.scanned import Scan

THUMB_PX = 96
SHOWN = 24  # images of each kind of finding; findings.csv lists them all
NUM_BINS = 24
MEANING = {
    "leak": "the same picture or group in two splits that the source brings",
    "two labels": "the same picture under two labels: one of them is wrong",
    "equal": "equal to the pixel",
    "near duplicate": "the same picture up to brightness, contrast, compression or size",
    "fixed camera": "images that are all alike, which shows nothing about copies: only the closest "
    "pairs among them count as near duplicates",
    "near constant": "hardly anything to see",
    "damaged metadata": "whole pixels beside a damaged EXIF block, colour profile or text; the "
    "picture may lie on its side",
    "odd size": "enlarged by much, or of an aspect unlike the others'",
    "differing shares": "the classes have other shares in one split than in another, by more than "
    "chance: figures of one say little about the other",
    "moved": "its split lacked a class by chance: the class is small",
    "ignored file": "no sample, by its name or its place",
}


class Histogram(NamedTuple):
    """Bars of height 0 to 1, and the labels of the axis."""

    title: str
    bars: list[float]
    low: str
    high: str


class Thumb(NamedTuple):
    """One image and its caption."""

    source: str
    """A data URI; empty if the file cannot be read."""
    caption: str
    label: str


def write_audit(
    folder: Path,
    listing: Listing,
    scan: Scan,
    findings: list[Finding],
    counts: dict[str, dict[str, int]],
) -> None:
    """Write the findings as a table and as a self-contained page, and their numbers.

    Args:
        counts: the number of images by split and class.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write_findings(folder / "findings.csv", findings)
    write_json(folder / "counts.json", summary(listing, scan, findings))
    text = environment.get_template("page.html").render(
        num_images=len(scan.good),
        shape=scan.image_shape,
        counts=counts,
        most=max((n for split in counts.values() for n in split.values()), default=1),
        kinds=_kinds(listing, scan, findings),
        histograms=_histograms(scan),
    )
    (folder / "index.html").write_text(text, encoding="utf-8")


def _kinds(listing: Listing, scan: Scan, findings: list[Finding]) -> list[dict[str, Any]]:
    """Group the findings by kind, serious ones first, with the images of the first few."""
    row_of = {id_: row for row, id_ in enumerate(listing.ids)}
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    order = [k for k in by_kind if k not in MEANING] + [k for k in MEANING if k in by_kind]
    return [
        {
            "name": kind,
            "meaning": MEANING.get(kind, "no usable image"),
            "count": len(by_kind[kind]),
            "shown": [
                (finding, _thumbs(listing, scan, finding, row_of))
                for finding in by_kind[kind][:SHOWN]
            ],
        }
        for kind in order
    ]


def _thumbs(listing: Listing, scan: Scan, finding: Finding, row_of: dict[str, int]) -> list[Thumb]:
    rows = [row_of[id_] for id_ in (finding.id, finding.other) if id_ in row_of]
    return [
        Thumb(_data_uri(listing.read, row), listing.ids[row], label(listing, row))
        for row in rows
        if row not in scan.bad
    ]


def _data_uri(read: Callable[[int], bytes | np.ndarray], row: int) -> str:
    try:
        raw = read(row)
        image = decode(raw, (THUMB_PX, THUMB_PX)) if isinstance(raw, bytes) else raw
    except BadImage:
        return ""  # it went bad after the scan; writing the page must not fail
    return "data:image/png;base64," + b64encode(_png(image)).decode()


def _png(image: UInt8[np.ndarray, "h w c"]) -> bytes:
    small = fit(image, (THUMB_PX, THUMB_PX, image.shape[2]), "pad")
    return cv2.imencode(".png", small[..., ::-1])[1].tobytes()


def _histograms(scan: Scan) -> list[Histogram]:
    good = scan.good
    side = np.sqrt(scan.height_px[good] * scan.width_px[good])
    aspect = np.log2(scan.width_px[good] / scan.height_px[good])
    return [
        _histogram("brightness, mean grey level", scan.brightness[good], "{:.0f}"),
        _histogram("contrast, deviation of grey levels", scan.contrast[good], "{:.0f}"),
        _histogram("size, root of height × width in pixels", side, "{:.0f}"),
        _histogram("aspect, log2 of width / height", aspect, "{:+.2f}"),
    ]


def _histogram(title: str, values: Float[np.ndarray, " n"], shown: str) -> Histogram:
    heights, edges = np.histogram(values, NUM_BINS)
    bars = (heights / heights.max()).tolist()
    return Histogram(title, bars, shown.format(edges[0]), shown.format(edges[-1]))
