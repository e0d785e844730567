"""The section `augmentation`: the images that training sees in place of the stored ones."""

from typing import Annotated, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.config.types import Positive
from pipeline.core.component import Choice, Component, Strict

Policy: TypeAlias = Annotated[Component, Choice("policy")]


class Offline(Strict):
    """Augmented copies of train that are made once and stored."""

    copies: Positive
    """Copies of each image; with minority_only, the most for each image of a minority class."""
    minority_only: bool = False
    """Make only as many copies as bring a class to the size of the largest."""


class Mixing(Strict):
    """Mix pairs of images within a batch into one image, whose loss weighs both targets by their
    shares. With both kinds on, each batch draws one of them."""

    mixup_alpha: Annotated[float, Field(gt=0)] | None = None
    cutmix_alpha: Annotated[float, Field(gt=0)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Probability that a batch is mixed."""

    @model_validator(mode="after")
    def _any(self) -> "Mixing":
        if self.mixup_alpha is None and self.cutmix_alpha is None:
            raise PydanticCustomError("mixing", "mixup_alpha, cutmix_alpha or both")
        return self


class Augmentation(Strict):
    """The images that training sees in place of the stored ones."""

    policy: Policy
    online: bool = True
    """Draw the policy anew in every epoch; false leaves only the offline copies."""
    offline: Offline | None = None
    mixing: Mixing | None = None
    preview_draws: Annotated[int, Field(ge=1, le=16)] = 5
