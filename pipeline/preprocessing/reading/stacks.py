"""Grey images of one size, stored one after the other in arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8


@dataclass(frozen=True)
class Stacks:
    """Reads one image from several arrays, whose rows are numbered consecutively."""

    stacks: list[np.ndarray]
    """Arrays of uint8, each n h w."""

    def __call__(self, row: int) -> UInt8[np.ndarray, "h w 1"]:
        for stack in self.stacks:
            if row < len(stack):
                image: np.ndarray = stack[row, :, :, None]
                return image
            row -= len(stack)
        raise IndexError("no such row")
