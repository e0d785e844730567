"""The section `distil`: networks that learn from the ensemble's out-of-fold predictions."""

from typing import Annotated

from pydantic import Field

from pipeline.config.types import Seed
from pipeline.core.component import Strict

ENSEMBLE = "ensemble"
"""What `serving.model` calls the ensemble that validation chose."""


class Student(Strict):
    """One network, trained from what the ensemble predicts and from the labels.

    With logits z, label y and the teacher's logits v, the loss L of the recipe becomes
    weight · T² · L(z / T, softmax(v / T)) + (1 - weight) · L(z, y) at temperature T; T² keeps the
    size of the teacher's gradients. G. Hinton, O. Vinyals and J. Dean, Distilling the Knowledge in
    a Neural Network, 2015, section 2.
    """

    recipe: str
    seed: Seed = 0
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Softens both predictions in the teacher's part of the loss. A teacher that predicts what it
    has learned from is too sure and needs more than 1; this one is calibrated, on what it has not
    seen."""
    weight: Annotated[float, Field(ge=0, le=1)] = 0.9
    """The teacher's share of the loss; that of the labels should be considerably smaller (Hinton et
    al.). 0 trains on the labels alone, which shows what the teacher adds."""
