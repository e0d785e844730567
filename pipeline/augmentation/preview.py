"""Preview what training will see: stored images beside several draws, one row per class."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.policy import Augmenter
from pipeline.images.packed import Packed

MAX_ROWS = 20
CELL_PX = 112
GAP_PX = 8
LABEL_PX = 150
TEXT_PX = 13
INK = (40, 40, 40)
PAPER = (255, 255, 255)
FRAME = (38, 110, 180)


def preview(
    train: Packed, classes: tuple[str, ...], augmenter: Augmenter, num_draws: int
) -> Image.Image:
    """Draw a page with framed stored images in the first column, then one draw per column.

    It shows the first image of each class, of 20 classes at most; if images do not have exactly one
    class, it shows the first images.
    """
    rows = _rows(train.targets)
    stored, keys = np.asarray(train.images[rows]), sample_keys(train.ids[rows])
    draws = [augmenter(stored, epoch, keys) for epoch in range(num_draws)]
    factor = CELL_PX / max(*stored.shape[1:3], *draws[0].shape[1:3])
    titles = ["stored", *(f"draw {i + 1}" for i in range(num_draws))]
    page = Image.new("RGB", (_left(len(titles)), _top(len(rows))), PAPER)
    for column, (title, images) in enumerate(zip(titles, [stored, *draws], strict=True)):
        _text(page, title, (_left(column), GAP_PX), CELL_PX)
        for row, image in enumerate(images):
            _paste(page, _scaled(image, factor), (_left(column), _top(row)), column == 0)
    for row, label in enumerate(_labels(train, rows, classes)):
        _text(page, label, (GAP_PX, _top(row) + (CELL_PX - TEXT_PX) // 2), LABEL_PX - GAP_PX)
    return page


def save_png(path: Path, page: Image.Image) -> None:
    """Write the page so that the same pixels give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, optimize=True)


def _rows(targets: np.ndarray) -> np.ndarray:
    if targets.ndim > 1:
        return np.arange(min(len(targets), MAX_ROWS))
    return np.unique(targets, return_index=True)[1][:MAX_ROWS]


def _labels(train: Packed, rows: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    if train.targets.ndim > 1:
        return [str(id_) for id_ in train.ids[rows]]
    return [classes[target] for target in train.targets[rows]]


def _left(column: int) -> int:
    return LABEL_PX + column * (CELL_PX + GAP_PX)


def _top(row: int) -> int:
    return 2 * GAP_PX + TEXT_PX + row * (CELL_PX + GAP_PX)


def _scaled(image: UInt8[np.ndarray, "h w c"], factor: float) -> Image.Image:
    """Scale an image: small ones show their pixels, large ones are averaged."""
    size = [max(1, round(side * factor)) for side in (image.shape[1], image.shape[0])]
    how = cv2.INTER_NEAREST if factor > 1 else cv2.INTER_AREA
    scaled = cv2.resize(image, size, interpolation=how)
    return Image.fromarray(scaled).convert("RGB")


def _paste(page: Image.Image, image: Image.Image, corner: tuple[int, int], framed: bool) -> None:
    """Paste an image in the middle of its cell."""
    left, top = ((CELL_PX - side) // 2 + at for side, at in zip(image.size, corner, strict=True))
    if framed:
        box = (left - 3, top - 3, left + image.width + 2, top + image.height + 2)
        ImageDraw.Draw(page).rectangle(box, fill=FRAME)
    page.paste(image, (left, top))


def _text(page: Image.Image, text: str, corner: tuple[int, int], width_px: int) -> None:
    """Write text on one line, cut short if it is wider."""
    draw, font = ImageDraw.Draw(page), _font()
    while draw.textlength(text, font) > width_px:
        text = text.removesuffix("…")[:-1] + "…"
    draw.text(corner, text, INK, font)


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Return matplotlib's font: class names may be Greek or Cyrillic, which Pillow's own lacks."""
    import matplotlib

    path = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
    return ImageFont.truetype(path, TEXT_PX)
