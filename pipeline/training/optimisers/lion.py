"""Lion: steps of one size, in the sign of an interpolated momentum.

X. Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, algorithm 2.
"""

from collections.abc import Callable, Sequence

import torch
from torch.optim import Optimizer

from pipeline.training.optimisers.groups import Group


class Lion(Optimizer):
    """One buffer a parameter, half of Adam's. Weight decay is decoupled, as in AdamW.

    Args:
        groups: each with its `lr` and `weight_decay`.
        betas: of the direction of a step, and of the momentum that is kept.
    """

    def __init__(self, groups: Sequence[Group], *, betas: tuple[float, float]) -> None:
        super().__init__(groups, {"betas": betas})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = torch.enable_grad()(closure)() if closure else None
        for group in self.param_groups:
            self._step(group)
        return loss

    def _step(self, group: Group) -> None:
        parameters = [p for p in group["params"] if p.grad is not None]
        if not parameters:
            return
        gradients = [p.grad for p in parameters]
        momenta = [self._momentum(p) for p in parameters]
        beta_step, beta_kept = group["betas"]
        signs = torch._foreach_lerp(momenta, gradients, 1 - beta_step)
        torch._foreach_sign_(signs)
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, signs, alpha=-group["lr"])
        torch._foreach_lerp_(momenta, gradients, 1 - beta_kept)

    def _momentum(self, parameter: torch.Tensor) -> torch.Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: torch.Tensor = state["momentum"]
        return momentum
