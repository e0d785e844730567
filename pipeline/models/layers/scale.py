"""A layer that multiplies by a constant."""

from jaxtyping import Float
from torch import Tensor, nn


class ConstantScale(nn.Module):
    """Multiplies by `factor`."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        return logits * self.factor
