"""Compute how much of the image each value of a layer sees.

The field is followed through every operation of a forward pass: a kernel of k pixels widens it by
(k − 1) × dilation × the product of the strides so far, and branches that join take the wider one.
It becomes unbounded where positions mix in another way, as in a mean over the map or in attention.

A. Araujo et al., Computing Receptive Fields of Convolutional Neural Networks, Distill, 2019.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

Pair = tuple[int | float, int | float]
WINDOWS = {  # positions of kernel (or weight), stride and dilation among the arguments
    "conv2d": (1, 3, 5),
    "max_pool2d": (1, 2, 4),
    "avg_pool2d": (1, 2, None),
}
NAMES = ("kernel_size", "stride", "dilation")
MIXING = ("mean", "sum", "amax", "matmul", "scaled_dot_product_attention", "interpolate")


class Field(NamedTuple):
    """A receptive field: height and width, in pixels of the image."""

    side_px: Pair = (1, 1)
    """Height and width; infinite if unbounded."""
    step_px: Pair = (1, 1)
    """Distance from one value to its neighbour."""


WHOLE = Field((math.inf, math.inf))


class Follow(TorchFunctionMode):
    """While entered, tracks the field of every tensor that is computed from `image` (n c h w)."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self._fields = WeakTensorKeyDictionary()
        self._fields[image] = Field()

    def side_px(self, tensor: Tensor) -> Pair | None:
        """Return height and width of the field of each value; None if it is unbounded."""
        field: Field = self._fields.get(tensor, WHOLE)  # type: ignore[no-untyped-call]
        return None if math.inf in field.side_px else field.side_px

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        seen = self._joined([*args, *kwargs.values()])
        out = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        for made in out if isinstance(out, list | tuple) else [out]:
            if seen and isinstance(made, Tensor):
                self._fields[made] = _after(name, seen, made, args, kwargs)
        return out

    def _joined(self, inputs: list[Any]) -> Field | None:
        """Return the widest field among `inputs`, which may hold lists of tensors."""
        flat = [
            i for given in inputs for i in (given if isinstance(given, list | tuple) else [given])
        ]
        fields = [self._fields[i] for i in flat if isinstance(i, Tensor) and i in self._fields]
        return max(fields) if fields else None


def _after(name: str, seen: Field, made: Tensor, args: Any, kwargs: dict[str, Any]) -> Field:
    if name in WINDOWS:
        return _widened(seen, *_window(name, args, kwargs))
    keeps_places = made.ndim == 4 and name not in MIXING and "adaptive" not in name
    return seen if keeps_places else WHOLE


def _window(name: str, args: Any, kwargs: dict[str, Any]) -> tuple[Pair, Pair, Pair]:
    """Return kernel, stride and dilation of a call, each as height and width."""
    given = [
        args[place] if place is not None and place < len(args) else kwargs.get(key)
        for place, key in zip(WINDOWS[name], NAMES, strict=True)
    ]
    kernel = given[0].shape[2:] if isinstance(given[0], Tensor) else given[0]
    stride = given[1] or (1 if name == "conv2d" else kernel)
    return _pair(kernel), _pair(stride), _pair(given[2] or 1)


def _widened(seen: Field, kernel: Pair, stride: Pair, dilation: Pair) -> Field:
    axes = range(2)
    side = [seen.side_px[a] + (kernel[a] - 1) * dilation[a] * seen.step_px[a] for a in axes]
    step = [seen.step_px[a] * stride[a] for a in axes]
    return Field((side[0], side[1]), (step[0], step[1]))


def _pair(value: Any) -> Pair:
    if isinstance(value, int):
        return value, value
    first, *rest = value
    return first, rest[0] if rest else first
