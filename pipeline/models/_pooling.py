"""The mean over each map, as `nn.AdaptiveAvgPool2d(1)` computes it, with a faster way back."""

from jaxtyping import Float
from torch import Tensor, nn


class GlobalMean(nn.Module):
    """The sum over each map by its number of places: in fp32 the same figures, to the bit.

    The gradient of a mean is written out with rows of places innermost, also where channels are;
    the activation before it then joins two layouts, which took a quarter of a small network's
    step. The gradient of a sum stays one value a map, read again for every place.
    """

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c 1 1"]:
        num_places = features.shape[2] * features.shape[3]
        return features.sum((2, 3), keepdim=True) / num_places
