"""Which parameters decay, and how fast each depth of a network learns."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

Group = dict[str, Any]
Block = Sequence[tuple[str, nn.Parameter]]


def groups(
    blocks: Sequence[Block], *, lr: float, weight_decay: float, lr_decay_by_depth: float = 1.0
) -> list[Group]:
    """Parameter groups for any optimiser here, in the order of depth.

    Frozen parameters belong in here too: without a gradient they stay as they are, until thawed.

    Args:
        blocks: names and parameters, from the input to the head.
        lr: of the last block. Each block before learns `lr_decay_by_depth` times as fast as the
            next (J. Howard and S. Ruder, ULMFiT, 2018, section 3.2, whose factor is 1 / 2.6).
    """
    made: dict[tuple[float, bool], Group] = {}
    for depth, block in enumerate(blocks):
        block_lr = lr * lr_decay_by_depth ** (len(blocks) - 1 - depth)
        for name, parameter in block:
            decayed = is_weight(name, parameter)
            group = made.setdefault(
                (block_lr, decayed),
                {
                    "params": [],
                    "lr": block_lr,
                    "initial_lr": block_lr,
                    "weight_decay": weight_decay if decayed else 0.0,
                    "decayed": decayed,
                },
            )
            group["params"].append(parameter)
    return list(made.values())


def is_weight(name: str, parameter: Tensor) -> bool:
    """Whether it is a kernel or a matrix, which decays.

    Norms and biases are vectors. Class tokens, position embeddings and layer scales, which do have
    several dimensions, are not called `weight` in timm, torchvision or torch.
    """
    return parameter.ndim > 1 and name.endswith("weight")


def weights(param_groups: Sequence[Group]) -> list[nn.Parameter]:
    """The parameters that decay, as a penalty and Muon want them, from the input to the head."""
    return [p for group in param_groups if group["decayed"] for p in group["params"]]


def scale_lr(optimizer: Optimizer, factor: float) -> None:
    """Set the learning rate of each group to `factor` times the one it began with."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
