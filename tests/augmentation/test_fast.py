"""The fast path: the pixels of albumentations for the same draws, on the CPU and on a device."""

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from albumentations.augmentations.dropout.functional import cutout
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.augmentation import device, fast
from pipeline.augmentation.draws import Draws
from pipeline.augmentation.draws import draw as draw_of
from pipeline.augmentation.plan import Plan, plan_of

SIZES = st.integers(2, 12)
PADS = st.tuples(*[st.integers(0, 5)] * 4)
PROBABILITIES = st.sampled_from([0.0, 0.3, 1.0])


def planned(transforms: list[A.BasicTransform], shape: tuple[int, ...]) -> Plan | None:
    return plan_of(A.to_dict(A.Compose(transforms)), shape)


@st.composite
def policies(draw: st.DrawFn) -> tuple[list[A.BasicTransform], tuple[int, ...]]:
    """Draw any combination that the fast path should take."""
    height, width, channels = draw(SIZES), draw(SIZES), draw(st.sampled_from([1, 3]))
    pads = draw(st.just((0, 0, 0, 0)) | PADS)
    left, top, right, bottom = (min(p, height - 1, width - 1) for p in pads)
    mode = draw(st.integers(0, 4))
    fill = tuple(draw(st.integers(0, 255)) for _ in range(channels))
    crop = (
        draw(st.integers(1, height + top + bottom)),
        draw(st.integers(1, width + left + right)),
    )
    flips = [A.HorizontalFlip(p=draw(PROBABILITIES)), A.VerticalFlip(p=draw(PROBABILITIES))]
    low_h, low_w = (draw(st.integers(1, side)) for side in crop)
    hole = A.CoarseDropout(
        num_holes_range=(1, draw(st.integers(1, 3))),
        hole_height_range=(low_h, draw(st.integers(low_h, 20))),
        hole_width_range=(low_w, draw(st.integers(low_w, 20))),
        fill=draw(st.sampled_from([0, 255, fill])),
        p=draw(PROBABILITIES),
    )
    pad = A.Pad((left, top, right, bottom), border_mode=mode, fill=fill, p=1.0)
    steps = [
        [pad] if any(pads) else [],
        [A.RandomCrop(*crop, p=1.0)],
        draw(st.sampled_from([[], flips, flips[::-1], flips[:1], flips[1:]])),
        draw(st.sampled_from([[], [hole]])),
    ]
    return [t for step in steps for t in step], (height, width, channels)


def reference(
    transforms: list[A.BasicTransform], draws: Draws, i: int, image: np.ndarray
) -> np.ndarray:
    """Return what albumentations' own code makes of image `i` with the drawn numbers."""
    for transform in transforms:
        if isinstance(transform, A.Pad):
            image = transform(image=image)["image"]
        elif isinstance(transform, A.RandomCrop):
            top, left = int(draws.tops[i]), int(draws.lefts[i])
            height, width = transform.height, transform.width
            image = A.Crop(left, top, left + width, top + height, p=1.0)(image=image)["image"]
        elif isinstance(transform, A.HorizontalFlip):
            image = A.HorizontalFlip(p=float(draws.mirrored[i]))(image=image)["image"]
        elif isinstance(transform, A.VerticalFlip):
            image = A.VerticalFlip(p=float(draws.upended[i]))(image=image)["image"]
        else:
            holes = draws.holes[i][draws.holes[i][:, 2] > 0]
            image = cutout(image, holes, transform.fill, np.random.default_rng(0))
        image = image.reshape(*image.shape[:2], -1)
    return image


@settings(deadline=None, max_examples=300)
@given(policy=policies(), seed=st.integers(0, 2**32 - 1), num=st.integers(0, 7))
def test_pixels_are_those_of_albumentations_and_of_the_device(
    policy: tuple[list[A.BasicTransform], tuple[int, ...]], seed: int, num: int
) -> None:
    transforms, shape = policy
    plan = planned(transforms, shape)
    assert plan
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (num, *shape), np.uint8)
    before = images.copy()
    draws = draw_of(plan, seed, 3, rng.integers(0, 2**64, num, np.uint64))
    augmented = fast.apply(images, draws, plan)
    np.testing.assert_array_equal(images, before)
    for i, image in enumerate(images):
        np.testing.assert_array_equal(augmented[i], reference(transforms, draws, i, image))
    on_device = device.apply(torch.from_numpy(images), draws, plan)
    np.testing.assert_array_equal(augmented, on_device.numpy())


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned([A.Pad(2, p=1.0), A.RandomCrop(8, 8), A.HorizontalFlip(p=0.5)], (8, 8, 3))
    assert plan
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), np.uint8)
    draws = draw_of(plan, 0, 0, np.arange(50, dtype=np.uint64))
    whole = fast.apply(images, draws, plan)
    monkeypatch.setattr(fast, "BLOCK_BYTES", 3 * images[0].size)
    np.testing.assert_array_equal(fast.apply(images, draws, plan), whole)


SLOW = {
    "another transform": [A.Transpose(p=0.5)],
    "another order": [A.HorizontalFlip(p=0.5), A.RandomCrop(4, 4, p=1.0)],
    "twice": [A.HorizontalFlip(p=0.5), A.HorizontalFlip(p=0.5)],
    "a crop by chance": [A.RandomCrop(8, 8, p=0.5)],
    "a fill that is drawn": [A.CoarseDropout(fill="random", hole_height_range=(1, 2))],
    "holes in fractions": [A.CoarseDropout(hole_height_range=(0.1, 0.2), fill=0)],
    "a fill between two values": [A.Pad(1, fill=0.5)],
    "a border longer than the image": [A.Pad(8, border_mode=cv2.BORDER_REFLECT_101)],
    "nested": [A.OneOf([A.HorizontalFlip(), A.VerticalFlip()])],
}


@pytest.mark.parametrize("why", SLOW)
def test_other_policies_take_the_slow_path(why: str) -> None:
    assert planned(SLOW[why], (8, 8, 3)) is None


def test_draws_are_uniform_and_independent() -> None:
    """Chi-squared over all joint outcomes; 24 cells, 99.99 % quantile for 23 degrees: 55.4."""
    hole = A.CoarseDropout((1, 1), (1, 1), (1, 1), fill=0, p=1.0)
    plan = planned(
        [A.Pad((1, 0, 1, 1)), A.RandomCrop(2, 2), A.HorizontalFlip(p=0.5), hole], (2, 2, 1)
    )
    assert plan
    num = 24_000
    draws = draw_of(plan, 0, 0, np.arange(num, dtype=np.uint64))
    assert draws.tops.max() == 1
    assert draws.lefts.max() == 2
    cell = (draws.tops * 3 + draws.lefts) * 2 + draws.mirrored
    cell = cell * 2 + draws.holes[:, 0, 0]
    counts = np.bincount(cell, minlength=24)
    assert ((counts - num / 24) ** 2 / (num / 24)).sum() < 55.4
