"""Parts below a fixed camera are no copies of each other, though they all look alike."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.core.errors import UserError
from pipeline.images.decode import decode
from tests.preprocessing.make_images import encode, picture
from tests.preprocessing.test_stage import Preprocessed

SIDE = 64


def parts(num: int, seed: int) -> list[np.ndarray]:
    """Return pictures of one part: the camera moves by less than a pixel and has some noise."""
    random = np.random.default_rng(seed)
    still = cv2.GaussianBlur(picture(SIDE, SIDE), (0, 0), 2).astype(np.float32)
    made = []
    for _ in range(num):
        moved = np.float32([[1, 0, random.normal(0, 0.3)], [0, 1, random.normal(0, 0.3)]])
        image = cv2.warpAffine(still, moved, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
        made.append(np.clip(image + random.normal(0, 3, image.shape), 0, 255).astype(np.uint8))
    return made


def scratched(image: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    start = random.integers(8, 48, 2)
    end = start + random.integers(4, 10, 2)
    return cv2.line(image.copy(), start.tolist(), end.tolist(), (240, 240, 240))


def write_parts(root: Path, num: int = 40) -> Path:
    """Write as many good as scratched parts."""
    for name, images in (
        ("good", parts(num, 0)),
        ("scratched", [scratched(image, i) for i, image in enumerate(parts(num, 1))]),
    ):
        (root / name).mkdir(parents=True)
        for i, image in enumerate(images):
            (root / name / f"{i:02d}.png").write_bytes(encode(image))
    return root


def test_parts_below_a_fixed_camera_are_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Preprocessed(write_parts(tmp_path / "parts"), tmp_path / "a")
    assert len(made.ids) == 80
    near = [row for row in made.findings if row["kind"] == "near duplicate"]
    assert len(near) <= 4
    (crowd,) = (row for row in made.findings if row["kind"] == "fixed camera")
    assert re.fullmatch(r"\d\d images; near duplicates up to 0\.0\d\d", crowd["detail"])
    assert "images all look alike, as from a fixed camera: only those" in capsys.readouterr().out


def test_copies_among_such_parts_and_beside_them_are_found(tmp_path: Path) -> None:
    root = write_parts(tmp_path / "parts")
    for i in range(3):
        small = cv2.resize(decode((root / f"good/{i:02d}.png").read_bytes()), (48, 48))
        (root / f"good/again {i}.png").write_bytes(encode(small))
        other = encode(picture(SIDE, SIDE, seed=9 + i), "JPEG", quality=95)
        (root / f"scratched/other {i}.jpg").write_bytes(other)
        again = encode(decode(other), "JPEG", quality=75)
        (root / f"scratched/other {i} again.jpg").write_bytes(again)
    shape = {"image": {"size_px": SIDE}}
    found = Preprocessed(root, tmp_path / "a", **shape).findings
    near = {(row["id"], row["other"]) for row in found if row["kind"] == "near duplicate"}
    assert near >= {(f"good/{i:02d}.png", f"good/again {i}.png") for i in range(3)}
    assert near >= {
        (f"scratched/other {i} again.jpg", f"scratched/other {i}.jpg") for i in range(3)
    }


def test_a_distance_of_your_own_is_kept_and_named_where_it_leaves_too_little(
    tmp_path: Path,
) -> None:
    root = write_parts(tmp_path / "parts")
    with pytest.raises(UserError, match=r"or to null; .*work/audit/index\.html shows") as caught:
        Preprocessed(root, tmp_path / "a", near_duplicate_distance=0.1)
    message = str(caught.value)
    assert "class 'good' has 40 images, but only 1 group or set of duplicates" in message
    assert "near duplicates such as good/" in message
    assert "set data.near_duplicate_distance to a smaller number" in message
    shown = tmp_path / "a/work/audit"
    num = (shown / "findings.csv").read_text().count("near duplicate,")
    assert num > 60
    assert f"Near duplicate: {num}" in (shown / "index.html").read_text()
    assert len(Preprocessed(root, tmp_path / "b", near_duplicate_distance=None).ids) == 80


def test_a_small_class_of_copies_is_no_crowd(tmp_path: Path) -> None:
    root = tmp_path / "mixed"
    for name, num in (("many", 30), ("few", 6)):
        (root / name).mkdir(parents=True)
        for i in range(num):
            image = picture(SIDE, SIDE, seed=i if name == "many" else 99)
            noisy = np.clip(image + np.random.default_rng(i).normal(0, 3, image.shape), 0, 255)
            (root / name / f"{i}.png").write_bytes(encode(noisy.astype(np.uint8)))
    with pytest.raises(UserError, match="class 'few' has 6 images, but only 1 group or set"):
        Preprocessed(root, tmp_path / "a")
