"""The section `prediction`: how members predict."""

from typing import Annotated

from pydantic import Field

from pipeline.core.component import Strict


class Views(Strict):
    """Views of each image whose logits are averaged: more accurate, and each view costs a pass."""

    mirror: bool = False
    """Also show the image mirrored from left to right."""
    shift_px: Annotated[int, Field(ge=0)] = 0
    """Also show the image shifted by this much up, down, left and right."""


class Prediction(Strict):
    """How members predict; a change retrains nothing."""

    test_time: Views = Views()
    members: dict[str, Views] = Field(default_factory=dict)
    """Views of individual members, which replace the default."""

    def of(self, member: str) -> Views:
        return self.members.get(member, self.test_time)
