"""The residual block of small networks.

K. He et al., Deep Residual Learning for Image Recognition, 2016: the CIFAR form of section 4.2,
with projection shortcuts. The last batch norm of a block starts at zero, so that every block
starts as the identity (P. Goyal et al., Accurate, Large Minibatch SGD, 2017, section 5.1).
"""

from jaxtyping import Float
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions and a shortcut around them."""

    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        last_norm = nn.BatchNorm2d(num_out)
        nn.init.zeros_(last_norm.weight)
        self.body = nn.Sequential(
            nn.Conv2d(num_in, num_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(num_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(num_out, num_out, 3, padding=1, bias=False),
            last_norm,
        )
        self.shortcut: nn.Module = nn.Identity()
        if num_in != num_out or stride != 1:
            projection = nn.Conv2d(num_in, num_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(num_out))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        out: Tensor = self.activation(self.body(features) + self.shortcut(features))
        return out
