"""The fast path on an accelerator: for the same draws, bit for bit the pixels of `fast.apply`."""

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from pipeline.augmentation.draws import Draws
from pipeline.augmentation.plan import Plan


def apply(images: UInt8[Tensor, "n h w c"], draws: Draws, plan: Plan) -> UInt8[Tensor, "n h2 w2 c"]:
    """Return new images on the device of `images`, by one gather and then the fills."""
    rows = _lines(plan.rows, draws.tops, draws.upended, plan.crop[0], images.device)
    columns = _lines(plan.columns, draws.lefts, draws.mirrored, plan.crop[1], images.device)
    rows, columns = rows[:, :, None], columns[:, None, :]
    image = torch.arange(len(images), device=images.device)[:, None, None]
    out = images[image, rows.clamp(min=0), columns.clamp(min=0)]
    fill = torch.from_numpy(plan.fill).to(images.device)
    out = torch.where(((rows < 0) | (columns < 0))[..., None], fill, out)
    if plan.cutout:
        fill = torch.from_numpy(plan.cutout.fill).to(images.device)
        holes = torch.from_numpy(draws.holes).to(images.device)
        out = torch.where(_in_holes(holes, plan.crop)[..., None], fill, out)
    return out


def _lines(
    source: np.ndarray,
    starts: np.ndarray,
    reversed_: np.ndarray,
    size: int,
    device: torch.device,
) -> Int[Tensor, "n s"]:
    """Return the image's row (or column) behind each row (or column) of the result; −1 for fill."""
    steps = torch.arange(size, device=device)
    first = torch.from_numpy(starts).to(device)[:, None]
    is_reversed = torch.from_numpy(reversed_).to(device)[:, None]
    places = first + torch.where(is_reversed, size - 1 - steps, steps)
    return torch.from_numpy(source).to(device)[places]


def _in_holes(holes: Int[Tensor, "n m 4"], size: tuple[int, int]) -> Bool[Tensor, "n h w"]:
    y = torch.arange(size[0], device=holes.device)[:, None]
    x = torch.arange(size[1], device=holes.device)
    x_min, y_min, x_max, y_max = holes[..., None, None].unbind(2)
    return ((x >= x_min) & (x < x_max) & (y >= y_min) & (y < y_max)).any(dim=1)
