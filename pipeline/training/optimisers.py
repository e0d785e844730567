"""Builds the optimiser that the parameters name: one of torch's, or timm's Lion or Muon.

`fused` is used where torch has it, one pass over all parameters: on one core SGD and Adam are then
at least twice as fast over ResNet-18, and 3 times over 24,000 parameters, as with torch's default.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn, optim
from torch.optim import Optimizer

from pipeline.config import optimisation as settings
from pipeline.core.errors import UserError
from pipeline.training.sharding import is_cut

Group = dict[str, Any]
Block = Sequence[tuple[str, nn.Parameter]]


def build(chosen: settings.Optimiser, groups: Sequence[Group]) -> Optimizer:
    """Build an optimiser over `groups`, which hold their own learning rate and weight decay.

    Raises:
        UserError: Muon for a network without hidden weights.
    """
    match chosen:
        case settings.SGD(momentum=momentum, nesterov=nesterov):
            fused = not is_cut(groups[0]["params"][0])  # torch has no fused version for shards
            return optim.SGD(groups, momentum=momentum, nesterov=nesterov, fused=fused)
        case settings.Adam(betas=betas, eps=eps):
            return optim.Adam(groups, betas=betas, eps=eps, fused=True)
        case settings.AdamW(betas=betas, eps=eps):
            return optim.AdamW(groups, betas=betas, eps=eps, fused=True)
        case settings.RMSprop(alpha=alpha, momentum=momentum, eps=eps):
            return optim.RMSprop(groups, alpha=alpha, momentum=momentum, eps=eps)
        case settings.Lion(betas=betas):
            from timm.optim.lion import Lion  # 1 to 2 s to import, spared with AdamW

            return Lion(groups, betas=betas)
        case settings.Muon():
            return _muon(chosen, groups)


def groups(
    blocks: Sequence[Block], *, lr: float, weight_decay: float, lr_decay_by_depth: float = 1.0
) -> list[Group]:
    """Sort all parameters into groups that any optimiser here accepts, in the order of depth.

    Frozen parameters are included: without a gradient they stay as they are until unfrozen.

    Args:
        blocks: names and parameters, from the input to the head.
        lr: the learning rate of the last block. Each block before it learns `lr_decay_by_depth`
                times as fast as the next (J. Howard and S. Ruder, ULMFiT, 2018, section 3.2, whose
                factor is 1 / 2.6).
    """
    found: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for depth, block in enumerate(blocks):
        block_lr = lr * lr_decay_by_depth ** (len(blocks) - 1 - depth)
        for name, parameter in block:
            found.setdefault((block_lr, is_weight(name, parameter)), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": rate,
            "initial_lr": rate,
            "weight_decay": weight_decay if decayed else 0.0,
            "decayed": decayed,
        }
        for (rate, decayed), parameters in found.items()
    ]


def is_weight(name: str, parameter: Tensor) -> bool:
    """Return whether a parameter is a kernel or a matrix, which decays.

    Norms and biases are vectors. Class tokens, position embeddings and layer scales, which do have
    several dimensions, are not called `weight` in timm, torchvision or torch.
    """
    return parameter.ndim > 1 and name.endswith("weight")


def weights(param_groups: Sequence[Group]) -> list[nn.Parameter]:
    """Return the parameters that decay, from the input to the head: for a penalty, and for Muon."""
    return [p for group in param_groups if group["decayed"] for p in group["params"]]


def scale_lr(optimizer: Optimizer, factor: float) -> None:
    """Set the learning rate of each group to `factor` times its initial value."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def _muon(chosen: settings.Muon, groups: Sequence[Group]) -> Optimizer:
    """Build Muon for the hidden weights: all that decay but the first and the last.

    AdamW optimises those two, which read the image and write the logits, and all that do not decay.
    """
    from timm.optim.muon import Muon

    hidden = {id(p) for p in weights(groups)[1:-1]}
    if not hidden:
        raise UserError(
            "training.optimiser: got muon, but the network has no weights between its first and "
            "last layers; allowed any other; nearest adamw"
        )
    by_muon = {"use_muon": True, "nesterov": True}
    by_adamw = {"use_fallback": True, "eps": chosen.eps}  # with nesterov, it would be NAdamW
    made: list[Group] = []
    for group in groups:
        inner = [p for p in group["params"] if id(p) in hidden]
        outer = [p for p in group["params"] if id(p) not in hidden]
        made += [{**group, "params": inner, **by_muon}] if inner else []
        made += [{**group, "params": outer, **by_adamw}] if outer else []
    return Muon(made, momentum=chosen.momentum, betas=chosen.betas, ns_coefficients="original")
