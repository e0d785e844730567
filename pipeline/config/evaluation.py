"""The section `evaluation`: how precise the report should be."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from pipeline.config.types import Fraction, Positive, Seed
from pipeline.core.component import Strict

Corruption = Literal[
    "gaussian_noise", "shot_noise", "defocus", "motion", "brightness", "contrast", "haze",
    "pixelate", "jpeg",
]  # fmt: skip


class Robustness(Strict):
    """Conditions under which the systems are tested once everything is decided."""

    corruptions: tuple[Corruption, ...] = get_args(Corruption)
    severities: tuple[Annotated[int, Field(ge=1, le=5)], ...] = (1, 3, 5)
    epsilons: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.01, 0.03)
    """The largest change of a pixel, in 0..1, that an attack may make; empty runs no attack."""
    max_images: Annotated[int, Field(ge=1)] = 1000
    """Number of test images; the first ones in the order of their ids' digests."""


class Evaluation(Strict):
    """How precise the report should be."""

    num_bootstrap: Annotated[int, Field(ge=100)] = 1000
    confidence: Fraction = 0.95
    equivalence_margin: Annotated[float, Field(gt=0)] | None = None
    """Systems that surely differ by less, in units of the headline metric, are called equivalent;
    null: 0.01, a point, for shares such as accuracy, and no such statement for rmse and costs."""
    num_bins: Positive = 15
    """Number of bins for the calibration error."""
    top_k: Positive = 3
    """Predictions per image that top-k accuracy allows; omitted with no more classes than this."""
    seed: Seed = 0
    robustness: Robustness | None = None
    """Corruptions and attacks; null runs none, since they take time."""
