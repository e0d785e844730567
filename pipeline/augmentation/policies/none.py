"""No augmentation: training sees the stored images."""

from typing import Any

from pipeline.core.component import Component


class Params(Component):
    """No settings."""


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:  # noqa: ARG001
    return []
