"""Cut scikit-learn's two photographs into squares of five classes, where you have none of your own.

    python -m examples.transfer.sample_photos

No two squares share a pixel, so what is learned from some is validated and tested on others.
"""

import sys
from pathlib import Path

import cv2
from sklearn.datasets import load_sample_image

from pipeline.core.errors import UserError

TARGET = Path("data/raw/photos")
SIDE_PX = 32
# Left, top, right, bottom in pixels: rectangles that show one thing each.
PLACES = {
    ("china.jpg", "building"): [(100, 110, 324, 334)],
    ("china.jpg", "sky"): [(340, 0, 564, 192)],
    ("china.jpg", "trees"): [(0, 364, 192, 396), (384, 331, 640, 427), (576, 171, 640, 331)],
    ("flower.jpg", "leaves"): [(0, 60, 128, 316), (480, 0, 640, 352)],
    ("flower.jpg", "petals"): [(212, 124, 404, 316)],
}


def main() -> None:
    if TARGET.exists():
        raise UserError(f"{TARGET}: is there already; remove it, or learn from what it holds")
    for (photograph, label), places in PLACES.items():
        pixels = load_sample_image(photograph)[..., ::-1]  # OpenCV writes blue first
        folder = TARGET / label
        folder.mkdir(parents=True)
        corners = [corner for place in places for corner in grid(*place)]
        for left, top in corners:
            square = pixels[top : top + SIDE_PX, left : left + SIDE_PX]
            cv2.imwrite(str(folder / f"{left:03}_{top:03}.png"), square)
        print(f"{folder}: {len(corners)} images out of scikit-learn's {photograph}")


def grid(left: int, top: int, right: int, bottom: int) -> list[tuple[int, int]]:
    """Return the left upper corners of the squares that fit into a rectangle side by side."""
    across = range(left, right - SIDE_PX + 1, SIDE_PX)
    return [(x, y) for y in range(top, bottom - SIDE_PX + 1, SIDE_PX) for x in across]


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
