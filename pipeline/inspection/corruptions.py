"""Image corruptions such as a poor camera, bad weather or strong compression cause.

D. Hendrycks and T. Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations, ICLR 2019: families of corruption at five severities. The amounts of noise, light and
compression are theirs; lengths are fractions of the shorter side, so that 8 pixels blur like 800.
"""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float, UInt8, UInt64

from pipeline.config.evaluation import Corruption

Pixels = Float[np.ndarray, "h w c"]
"""Values in 0..1."""
Change = Callable[[Pixels, int, np.random.Generator], Pixels]
NUM_SEVERITIES = 5


def corrupt(
    images: UInt8[np.ndarray, "n h w c"],
    family: Corruption,
    severity: int,
    keys: UInt64[np.ndarray, " n"],
) -> UInt8[np.ndarray, "n h w c"]:
    """Corrupt every image in its own way, independently of the other images.

    Args:
        family: one of `FAMILIES`.
        severity: 1..5.
        keys: one for each sample, see pipeline.augmentation.counter.
    """
    made = np.empty_like(images)
    family_key = list(FAMILIES).index(family)
    for row, (image, key) in enumerate(zip(images, keys.tolist(), strict=True)):
        rng = np.random.default_rng([family_key, key])  # a stronger wind blows from the same side
        pixels = FAMILIES[family](image / 255, severity - 1, rng)
        made[row] = np.round(pixels.clip(0, 1) * 255)
    return made


def _gaussian_noise(pixels: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    return pixels + rng.normal(scale=(0.08, 0.12, 0.18, 0.26, 0.38)[level], size=pixels.shape)


def _shot_noise(pixels: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Add the shot noise of few photons."""
    num_photons = (60, 25, 12, 5, 3)[level]
    return np.asarray(rng.poisson(pixels * num_photons) / num_photons)


def _defocus(pixels: Pixels, level: int, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    sigma_px = min(pixels.shape[:2]) * (0.012, 0.02, 0.03, 0.042, 0.06)[level]
    return _with_channels(cv2.GaussianBlur(pixels, (0, 0), sigma_px))


def _motion(pixels: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Blur along a line in a random direction."""
    length_px = min(pixels.shape[:2]) * (0.06, 0.09, 0.13, 0.18, 0.24)[level]
    angle = rng.uniform(0, np.pi)
    reach = int(np.ceil(length_px / 2))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = columns * np.cos(angle) + rows * np.sin(angle)
    across = rows * np.cos(angle) - columns * np.sin(angle)
    line = np.clip(length_px / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(across), 0, 1)
    return _with_channels(cv2.filter2D(pixels, -1, line / line.sum()))


def _brightness(pixels: Pixels, level: int, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    return pixels + (0.1, 0.2, 0.3, 0.4, 0.5)[level]


def _contrast(pixels: Pixels, level: int, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    mean = pixels.mean(axis=(0, 1), keepdims=True)
    return np.asarray((pixels - mean) * (0.4, 0.3, 0.2, 0.1, 0.05)[level] + mean)


def _haze(pixels: Pixels, level: int, rng: np.random.Generator) -> Pixels:
    """Add scattered light, more in some places than in others."""
    cloud = cv2.resize(rng.random((4, 4)), pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    thickness = (0.3, 0.4, 0.5, 0.6, 0.7)[level] * (0.7 + 0.3 * cloud[..., None])
    return np.asarray(pixels * (1 - thickness) + 0.9 * thickness)


def _pixelate(pixels: Pixels, level: int, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    height_px, width_px = pixels.shape[:2]
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[level]
    size_px = (max(1, round(width_px * share)), max(1, round(height_px * share)))
    small = cv2.resize(pixels, size_px, interpolation=cv2.INTER_AREA)
    return _with_channels(cv2.resize(small, (width_px, height_px), interpolation=cv2.INTER_NEAREST))


def _jpeg(pixels: Pixels, level: int, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    quality = [cv2.IMWRITE_JPEG_QUALITY, (25, 18, 15, 10, 7)[level]]
    encoded = cv2.imencode(".jpg", np.round(pixels * 255).astype(np.uint8), quality)[1]
    return _with_channels(np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED))) / 255


def _with_channels(image: np.ndarray) -> np.ndarray:
    """Restore the axis of a single channel, which OpenCV drops."""
    return image[..., None] if image.ndim == 2 else image


FAMILIES: dict[Corruption, Change] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "defocus": _defocus,
    "motion": _motion,
    "brightness": _brightness,
    "contrast": _contrast,
    "haze": _haze,
    "pixelate": _pixelate,
    "jpeg": _jpeg,
}
