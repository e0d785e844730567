"""Check gradients against central finite differences, in double precision.

A tensor is moved as a whole, along twice its gradient and a random direction: two evaluations per
tensor, however large it is. Along the gradient, the difference is large compared with rounding; the
random direction finds what the gradient lacks.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.core.component import Component, load

# Correct gradients were measured at 1e-12 to 3e-6, the largest where a step crosses a kink; a
# mistake in a formula gives 1e-3 and more.
TOLERANCE = 1e-5
# Relative to the tensor and to the possible change of the loss, whichever is reached first: where
# gradients explode, the steps are short. One that crosses a kink of ReLU or max pooling measures
# neither side of it; a tenth of the step, in another random direction, meets a tenth of the kinks.
STEPS = (1e-6, 1e-7, 1e-8)
ROUNDING = 100 * torch.finfo(torch.float64).eps  # relative, of one evaluation
NUM_IMAGES = 4


class Check(NamedTuple):
    """The distance between the gradient by one tensor and its finite difference."""

    name: str
    num_elements: int
    error: float
    """Relative error; infinite if the loss is not finite."""

    @property
    def passed(self) -> bool:
        return self.error <= TOLERANCE


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

    logits = _random((NUM_IMAGES, num_outputs), generator).requires_grad_()
    yield from compare(lambda: compute(logits, targets), {"logits": logits}, generator)

    body = _body(model, shape, num_outputs, generator)
    images = _random((NUM_IMAGES, shape[2], *shape[:2]), generator)
    learned: dict[str, Tensor] = {name: p for name, p in body.named_parameters() if p.requires_grad}
    yield from compare(lambda: compute(body(images), targets), learned, generator)


def compare(
    value: Callable[[], Float[Tensor, ""]], tensors: dict[str, Tensor], generator: torch.Generator
) -> Iterator[Check]:
    """Compare the gradient of `value` by each tensor with the effect of moving that tensor.

    Args:
        value: computes in fp64, from the current state of the tensors.
    """
    loss = value()
    gradients = torch.autograd.grad(
        loss, list(tensors.values()), allow_unused=True, materialize_grads=True
    )
    for (name, tensor), gradient in zip(tensors.items(), gradients, strict=True):
        longest = min(1 + tensor.norm(), (1 + loss.abs()) / gradient.norm())
        error = float("inf")
        for step in STEPS:
            width = step * float(longest.detach())
            error = min(error, _error(value, tensor, gradient, width, generator))
            if error <= TOLERANCE:
                break
        yield Check(name, tensor.numel(), error)


@torch.no_grad()
def _error(
    value: Callable[[], Float[Tensor, ""]],
    tensor: Tensor,
    gradient: Tensor,
    width: float,
    generator: torch.Generator,
) -> float:
    """Return the relative error along one direction, between `width` ahead and `width` back."""
    direction = 2 * _unit(gradient) + _unit(_random(tensor.shape, generator))
    start = tensor.clone()
    ahead = _value_at(value, tensor, start + width * direction)
    behind = _value_at(value, tensor, start - width * direction)
    tensor.copy_(start)
    measured = (ahead - behind) / (2 * width)
    expected = float((gradient * direction).sum())
    # What rounding alone may make of a zero gradient is within the tolerance.
    floor = ROUNDING * (1 + abs(ahead)) / width / TOLERANCE
    return abs(measured - expected) / max(abs(measured), abs(expected), floor)


def _value_at(value: Callable[[], Float[Tensor, ""]], tensor: Tensor, place: Tensor) -> float:
    tensor.copy_(place)
    return float(value())


def _body(
    model: Component, shape: tuple[int, int, int], num_outputs: int, generator: torch.Generator
) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        body: nn.Module = load("model", model).build(model, shape, num_outputs).double().eval()
    for child in body.modules():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            child.train()
    _leave_zero(body, generator)
    return body


@torch.no_grad()
def _leave_zero(body: nn.Module, generator: torch.Generator) -> None:
    """Move biases and branches away from zero, where whole layers lie on the kink of ReLU."""
    for parameter in body.parameters():
        size = parameter.square().mean().sqrt()
        noise = _random(parameter.shape, generator)
        parameter.add_(0.1 * noise * torch.where(size > 0, size, 1))


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
