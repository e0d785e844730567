"""MixUp and CutMix: combine pairs of images of one batch, and their targets.

MixUp: H. Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018. CutMix: S. Yun et al.,
CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, 2019.
Both draw the share of the first image from Beta(alpha, alpha).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

DOMAIN = 0x6D6978  # keeps these draws apart from others with the same seed
SHARES = 256  # lam is a multiple of 1/256, so that 16 bits hold the sum without rounding error

Box = tuple[int, int, int, int]  # x_min, y_min, x_max, y_max in px, ends excluded


@dataclass(frozen=True)
class Mix:
    """How one global batch is mixed: image i with image `partners[i]`."""

    partners: Int[np.ndarray, " n"]
    """A permutation of the global batch; image i may be its own partner."""
    lam: float
    """Share of the image itself, and of its target; the rest is its partner's. In 0..1."""
    box: Box | None
    """Where CutMix shows the partner; None for MixUp."""


def draw(
    mixing: dict[str, Any],
    seed: int,
    epoch: int,
    batch: int,
    num: int,
    height_px: int,
    width_px: int,
) -> Mix | None:
    """Draw how to mix the `num` images of a global batch; return None to leave it unmixed.

    The draw depends on (seed, epoch, batch) alone. `mixing` holds mixup_alpha, cutmix_alpha (null:
    off; both: equal odds) and probability.
    """
    rng = np.random.default_rng((DOMAIN, seed, epoch, batch))
    if rng.random() >= mixing["probability"]:
        return None
    alphas = {k: mixing[k] for k in ("mixup_alpha", "cutmix_alpha") if mixing[k] is not None}
    kind = list(alphas)[rng.integers(len(alphas))]
    lam = rng.beta(alphas[kind], alphas[kind])
    partners = rng.permutation(num)
    if kind == "mixup_alpha":
        return Mix(partners, round(lam * SHARES) / SHARES, None)
    box = _box(rng, lam, height_px, width_px)
    return Mix(partners, 1 - _area(box) / (height_px * width_px), box)


def apply(
    images: UInt8[np.ndarray, "n h w c"], partners: UInt8[np.ndarray, "n h w c"], mix: Mix
) -> UInt8[np.ndarray, "n h w c"]:
    """Return new images. MixUp rounds lam · image + (1 − lam) · partner, halves upwards.

    Args:
        images: this device's part of the global batch.
        partners: the image that `mix.partners` names for each of them.
        mix: the draw for the global batch.
    """
    if mix.box is not None:
        x_min, y_min, x_max, y_max = mix.box
        out = images.copy()
        out[:, y_min:y_max, x_min:x_max] = partners[:, y_min:y_max, x_min:x_max]
        return out
    own = round(mix.lam * SHARES)
    total = images.astype(np.uint16) * np.uint16(own)
    total += partners.astype(np.uint16) * np.uint16(SHARES - own)
    total += np.uint16(SHARES // 2)
    return (total >> np.uint16(8)).astype(np.uint8)


def _box(rng: np.random.Generator, lam: float, height_px: int, width_px: int) -> Box:
    """Draw the box of Yun et al., equation 2.

    Its sides are √(1 − lam) of the image's, its centre is anywhere, and it is cut at the border.
    """
    cut_h, cut_w = (int(side * np.sqrt(1 - lam)) for side in (height_px, width_px))
    y, x = int(rng.integers(height_px)), int(rng.integers(width_px))
    return (
        max(x - cut_w // 2, 0),
        max(y - cut_h // 2, 0),
        min(x + cut_w // 2, width_px),
        min(y + cut_h // 2, height_px),
    )


def _area(box: Box) -> int:
    x_min, y_min, x_max, y_max = box
    return (x_max - x_min) * (y_max - y_min)
