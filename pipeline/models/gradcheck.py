"""Check gradients with torch.autograd.gradcheck, tensor by tensor, in double precision.

A tensor is moved as a whole, along twice its gradient and a random direction, so that gradcheck has
one number to differentiate by. Given the tensor itself, it evaluates the loss twice per element, in
its fast mode too as soon as a check fails. Along the gradient, the difference is large compared
with rounding; the random direction finds what the gradient lacks.

gradcheck knows no kinks: a step that crosses one of ReLU or of max pooling measures neither side
of it. What fails is tried again from another point with a tenth of the step, which meets a tenth
of the kinks. How large an error is, gradcheck does not return; its message gives both derivatives.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError, gradcheck
from torch.func import functional_call

from pipeline.core.component import Component, load

# Correct gradients were measured at 1e-12 to 3e-6, the largest where a step crosses a kink; a
# mistake in a formula gives 1e-3 and more.
TOLERANCE = 1e-5
# Relative to the tensor and to the possible change of the loss, whichever is reached first: where
# gradients explode, the steps are short.
STEPS = (1e-6, 1e-7, 1e-8)
ROUNDING = 100 * torch.finfo(torch.float64).eps  # relative, of one evaluation
NUM_IMAGES = 4

Value = Callable[[Mapping[str, Tensor]], Float[Tensor, ""]]


class Check(NamedTuple):
    """Whether the gradient by one tensor is that of finite differences."""

    name: str
    num_elements: int
    problem: str = ""
    """What gradcheck found; empty if the gradient is right."""


def checks(
    model: Component, loss: Component, task: Component, shape: tuple[int, int, int], seed: int = 0
) -> Iterator[Check]:
    """Check the loss by its logits, then by every parameter of the model, on random images.

    Dropout is off; batch norm takes its statistics from the batch, as in training.

    Args:
        shape: height, width and channels of the images.
    """
    generator = torch.Generator().manual_seed(seed)
    tasks = load("task", task)
    # A binary task takes just two classes; with three, hinge and focal losses can be told apart.
    num_outputs = tasks.num_outputs(2 if tasks.Params.ACTIVATION == "sigmoid" else 3)
    targets = _targets(tasks.Params.KIND, num_outputs, generator)
    compute = load("loss", loss).build(loss, None)

    logits = _random((NUM_IMAGES, num_outputs), generator)
    yield from compare(lambda at: compute(at["logits"], targets), {"logits": logits}, generator)

    body = _body(model, shape, num_outputs, seed)
    images = _random((NUM_IMAGES, shape[2], *shape[:2]), generator)
    learned = {name: p for name, p in body.named_parameters() if p.requires_grad}
    yield from compare(
        lambda at: compute(functional_call(body, dict(at), images), targets), learned, generator
    )


def compare(
    value: Value, tensors: Mapping[str, Tensor], generator: torch.Generator
) -> Iterator[Check]:
    """Compare the gradient of `value` by each tensor with the effect of moving that tensor.

    Args:
        value: computes in fp64, from tensors of these names.
        tensors: what to start from; the gradients are checked nearby.
    """
    at = {name: _nearby(tensor, generator) for name, tensor in tensors.items()}
    for name, tensor in at.items():
        alone = partial(_replaced, value, at, name)
        for step in STEPS:
            problem = _problem(alone, _nearby(tensor, generator), step, generator)
            if not problem:
                break
        yield Check(name, tensor.numel(), problem)


def _replaced(value: Value, at: Mapping[str, Tensor], name: str, tensor: Tensor) -> Tensor:
    return value({**at, name: tensor})


def _problem(
    value: Callable[[Tensor], Tensor], tensor: Tensor, step: float, generator: torch.Generator
) -> str:
    """Return what gradcheck finds along one direction; empty if nothing."""
    loss = value(tensor.requires_grad_())
    (gradient,) = torch.autograd.grad(loss, tensor, allow_unused=True, materialize_grads=True)
    most, start = 1 + float(loss.detach().abs()), tensor.detach()
    longest = min(1 + start.norm(), most / gradient.norm())
    way = longest * (2 * _unit(gradient) + _unit(_random(start.shape, generator)))
    try:
        gradcheck(
            lambda fraction: value(start + fraction * way),
            torch.zeros((), dtype=torch.float64, requires_grad=True),
            eps=step,
            rtol=TOLERANCE,
            atol=ROUNDING * most / step,
            check_undefined_grad=False,
        )
    except GradcheckError as error:
        return " ".join(str(error).split())
    return ""


@torch.no_grad()
def _nearby(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Move a tensor by a tenth, since at zero whole layers lie on the kink of ReLU."""
    size = tensor.square().mean().sqrt()
    return tensor + 0.1 * _random(tensor.shape, generator) * torch.where(size > 0, size, 1)


def _body(model: Component, shape: tuple[int, int, int], num_outputs: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body: nn.Module = load("model", model).build(model, shape, num_outputs).double().eval()
    for child in body.modules():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            child.train()
    return body


def _targets(kind: str, num_outputs: int, generator: torch.Generator) -> Tensor:
    if kind == "classes":
        return torch.arange(NUM_IMAGES) % max(2, num_outputs)  # one logit distinguishes two classes
    values = _random((NUM_IMAGES, num_outputs), generator)
    return values > 0 if kind == "labels" else values


def _random(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _unit(tensor: Tensor) -> Tensor:
    """Scale a tensor to length 1; a zero tensor stays zero."""
    return nn.functional.normalize(tensor.flatten(), dim=0, eps=1e-300).view_as(tensor)
