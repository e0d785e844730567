"""Muon: momentum, made orthogonal, for the hidden weights; AdamW for all other parameters.

K. Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024. torch has it for
matrices alone; here a kernel of a convolution is a matrix too, one row for each output channel.
Steps are scaled to the size of AdamW's, so that both share one learning rate and weight decay
(J. Liu et al., Muon is Scalable for LLM Training, 2025, equation 4).

A step costs the same whatever the batch: on one core 60 of AdamW's over ResNet-18, half a second
and more, and 15 over 24,000 parameters.
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import AdamW, Optimizer

from pipeline.errors import UserError
from pipeline.training.optimisers.groups import Group, weights

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan's a, b, c: singular values end in 0.7 to 1.2
ITERATIONS = 5
EPS = 1e-7


class Muon(Optimizer):
    """Two optimisers with one set of groups and one state.

    Hidden are all weights that decay but the first and the last, which read the image and write
    the logits.

    Args:
        groups: in the order of depth, as `groups` makes them.
        momentum: of the hidden weights, with Nesterov's look ahead.
        betas, eps: of AdamW.

    Raises:
        UserError: the network has no hidden weight.
    """

    def __init__(
        self, groups: Sequence[Group], *, momentum: float, betas: tuple[float, float], eps: float
    ) -> None:
        hidden, others = _split(groups)
        self._adamw = AdamW(others, betas=betas, eps=eps, fused=True)
        super().__init__([*({**group, "momentum": momentum} for group in hidden), *others], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = torch.enable_grad()(closure)() if closure else None
        for group in self.param_groups:
            if "momentum" in group:
                self._step(group)
        self._adamw.state = self.state  # anew each time: loading a state replaces both
        self._adamw.param_groups = [g for g in self.param_groups if "momentum" not in g]
        self._adamw.step()
        return loss

    def _step(self, group: Group) -> None:
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            kept = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            ahead = parameter.grad.lerp(kept, group["momentum"]).flatten(1)
            size = 0.2 * math.sqrt(max(ahead.shape))  # the root mean square of a step of AdamW
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            step = orthogonal(ahead).view_as(parameter)
            parameter.add_(step, alpha=-group["lr"] * size)


def orthogonal(matrix: Float[Tensor, "r c"]) -> Float[Tensor, "r c"]:
    """About U Vᵀ of the singular value decomposition U S Vᵀ, in bf16, by Newton and Schulz."""
    a, b, c = NEWTON_SCHULZ
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if is_tall else matrix).bfloat16()
    x = x / x.norm().clamp(min=EPS)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if is_tall else x


def _split(groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """The groups of the hidden weights, and those of all else."""
    decayed = weights(groups)
    ends = {id(p) for p in (*decayed[:1], *decayed[-1:])}
    hidden, others = [], []
    for group in groups:
        inner = [p for p in group["params"] if group["decayed"] and id(p) not in ends]
        outer = [p for p in group["params"] if not group["decayed"] or id(p) in ends]
        hidden += [{**group, "params": inner}] if inner else []
        others += [{**group, "params": outer}] if outer else []
    if not hidden:
        raise UserError(
            "training.optimiser: got muon, the network has no weights between its first and its "
            "last; allowed any other; nearest adamw"
        )
    return hidden, others
