"""The section `data`: where images come from, and how they are split and stored."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from pipeline.config.types import Fraction, Positive, Seed
from pipeline.core.component import Choice, Component, Strict

Source: TypeAlias = Annotated[Component, Choice("source")]


class Image(Strict):
    """The form of every image. The aspect ratio is kept: cropped or padded, not stretched."""

    size_px: Positive | tuple[Positive, Positive] | None = None
    """The side, or height and width; null if all images already have one size."""
    channels: Literal[1, 3] | None = None
    """null keeps the channels of arrays and turns encoded images into colour."""
    fit: Literal["crop", "pad"] = "crop"


class Data(Strict):
    """Where the labelled images come from, how bad ones are handled, and how they are split."""

    source: Source
    path: str
    """The folder that the source reads; DVC hashes it, so a changed file repeats the work."""
    image: Image = Image()
    on_bad_image: Literal["fail", "quarantine"] = "fail"
    near_duplicate_distance: Annotated[float, Field(ge=0, le=0.5)] | Literal["auto"] | None = "auto"
    """The largest distance between the standardised thumbnails of near duplicates; 0 is equal, 1.41
    unrelated; null looks for equal images only. auto is 0.1, and less among images that are all
    alike, as from a fixed camera."""
    leakage: Literal["fail", "warn", "regroup"] = "fail"
    """What to do if the source's own splits share duplicates or a group."""
    val_fraction: Fraction | None = 0.2
    """Share of validation; null if the source has its own split, and with num_folds."""
    test_fraction: Fraction | None = None
    """Share of test; null if the source has its own test split."""
    num_folds: Annotated[int, Field(ge=2)] | None = None
    """Folds; every member trains once per fold, and is validated on images it did not see."""
    balance: Literal["stable", "exact"] = "stable"
    """stable: new images move no others; exact: every class has its share to within one image."""
    pack_budget_gb: Annotated[float, Field(gt=0)] = 8.0
    """Up to this size, pixels are stored; beyond it, encoded files, which are decoded when read."""
    encoded_quality: Annotated[int, Field(ge=1, le=100)] | None = 95
    """JPEG quality at which encoded storage keeps images that had to be resized; null keeps the
    original files, which changes no pixel and is slower to read."""
    seed: Seed = 0
