"""Grey images of one size, one after the other in arrays."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8


@dataclass(frozen=True)
class Stacks:
    """Reads one image of several arrays, counted on from one to the next."""

    stacks: list[np.ndarray]
    """uint8, each n h w."""

    def __call__(self, row: int) -> UInt8[np.ndarray, "h w 1"]:
        for stack in self.stacks:
            if row < len(stack):
                image: np.ndarray = stack[row, :, :, None]
                return image
            row -= len(stack)
        raise IndexError("no such row")
