"""Test-time augmentation: an image is shown in several views, and their logits are averaged.

A. Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012, section
4.1, average over crops and mirror images; here logits are averaged, as over the networks of folds.
"""

from itertools import product

import torch
from jaxtyping import UInt8
from torch import Tensor

from pipeline.config.prediction import Views


def views(images: UInt8[Tensor, "n h w c"], settings: Views) -> list[UInt8[Tensor, "n h w c"]]:
    """Return the images as they are, then shifted and mirrored; a shift repeats the edge."""
    shift_px = settings.shift_px
    shifts = [(0, 0)]
    if shift_px:
        shifts += [(-shift_px, 0), (shift_px, 0), (0, -shift_px), (0, shift_px)]
    flips = [False, True] if settings.mirror else [False]
    moved = ((_shifted(images, *shift), is_flipped) for is_flipped, shift in product(flips, shifts))
    return [image.flip(2) if is_flipped else image for image, is_flipped in moved]


def num_views(settings: Views) -> int:
    """Return how many times an image is shown."""
    return (5 if settings.shift_px else 1) * (2 if settings.mirror else 1)


def _shifted(images: UInt8[Tensor, "n h w c"], down_px: int, right_px: int) -> Tensor:
    if not down_px and not right_px:
        return images
    height_px, width_px = images.shape[1:3]
    rows = (torch.arange(height_px, device=images.device) - down_px).clamp(0, height_px - 1)
    columns = (torch.arange(width_px, device=images.device) - right_px).clamp(0, width_px - 1)
    return images[:, rows][:, :, columns]
