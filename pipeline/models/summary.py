"""Summarise a network's layers, sizes, work and memory, without computing anything.

It makes one pass of two images on torch's meta device, where tensors have shapes and no values. It
needs two, since a batch norm refuses a single value; every figure is for one.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from pipeline.config.recipes import Recipe
from pipeline.core.artifacts import Cost
from pipeline.core.component import Component, make, names, schema
from pipeline.core.errors import UserError
from pipeline.models.libraries import architectures
from pipeline.models.network import Network
from pipeline.models.receptive_field import Follow, Pair

NUM_IMAGES = 2


@dataclass
class Row:
    """One layer, or what a block computes outside its layers, such as attention."""

    name: str
    kind: str
    output_shape: tuple[int, ...] = ()
    """Output shape without n."""
    num_parameters: int = 0
    multiply_adds: float = 0
    """Multiply-adds of convolutions and matrix products; all else is negligible."""
    held_bytes: float = 0
    """Memory that the backward pass needs for one image, in fp32."""
    field_px: Pair | None = None
    """Height and width of the receptive field; None if it is unbounded."""


def choose(name: str, recipes: Mapping[str, Recipe]) -> Component:
    """Return a recipe's model, or a model of Convoy, timm or torchvision by its own name.

    Raises:
        UserError: nothing has this name.
    """
    if name in recipes:
        return recipes[name].model
    if name in names("model"):
        return make("model", name)
    for library in ("timm", "torchvision"):
        if name in architectures(library):
            given = {"name": library, "architecture": name}
            return schema("model", library).model_validate(given)
    known = {*recipes, *names("model")}
    others = {*architectures("timm"), *architectures("torchvision")} - known
    close = get_close_matches(name, sorted(others), n=5)
    raise UserError(
        f"got {name!r}; allowed a recipe or model, {', '.join(sorted(known))}, or an architecture "
        "of timm or torchvision" + (f"; nearest {', '.join(close)}" if close else "")
    )


def rows(body: nn.Module, shape: tuple[int, int, int]) -> list[Row]:
    """Return one row per layer, in order of registration.

    Args:
        shape: height, width, channels of one image.
    """
    probe = copy.deepcopy(body).to("meta").train()
    images = torch.zeros(NUM_IMAGES, shape[2], *shape[:2], device="meta")
    made = {layer: Row(name, type(layer).__name__) for name, layer in probe.named_modules()}
    follow, counter = Follow(images), FlopCounterMode(display=False)
    with _noted(made, follow), counter, follow:
        probe(images)
    counted: dict[str, Any] = dict(counter.get_flop_counts())
    for layer, row in made.items():
        row.num_parameters = sum(p.numel() for p in layer.parameters(recurse=False))
        inside = sum(_flops(counted, probe, made[child].name) for child in layer.children())
        row.multiply_adds = (_flops(counted, probe, row.name) - inside) / 2 / NUM_IMAGES
    return [row for layer, row in made.items() if _is_shown(layer, row)]


def cost(network: Network) -> Cost:
    """Return the cost of a network."""
    height_px, width_px, channels = network.input_shape
    found = rows(network.body, (height_px, width_px, channels))
    return Cost(
        num_parameters=sum(row.num_parameters for row in found),
        num_bytes=sum(tensor.nbytes for tensor in network.state_dict().values()),
        multiply_adds=round(sum(row.multiply_adds for row in found)),
    )


def table(title: str, found: list[Row]) -> Table:
    """Return `found` and its totals as a table for rich to print."""
    caption = "held: for the backward pass, of one image in fp32; field: receptive"
    made = Table(title=title, caption=caption, show_footer=True)
    for heading in ("layer", "kind", "output"):
        made.add_column(heading, "total" if heading == "layer" else "", overflow="fold")
    for heading, footer in (
        ("parameters", f"{sum(row.num_parameters for row in found):,}"),
        ("multiply-adds", f"{sum(row.multiply_adds for row in found):,.0f}"),
        ("held, MB", f"{sum(row.held_bytes for row in found) / 1e6:,.3f}"),
        ("field, px", ""),
    ):
        made.add_column(heading, footer, justify="right", no_wrap=True)
    for row in found:
        made.add_row(
            row.name,
            row.kind,
            _times(row.output_shape),
            f"{row.num_parameters:,}",
            f"{row.multiply_adds:,.0f}",
            f"{row.held_bytes / 1e6:,.3f}",
            _times(row.field_px) if row.field_px else "–",
        )
    return made


@contextmanager
def _noted(made: dict[nn.Module, Row], follow: Follow) -> Iterator[None]:
    """While entered, record sizes, fields and held bytes in the rows during a pass."""
    running: list[Row] = []
    held = _Held(made)

    def enter(layer: nn.Module, _: Any) -> None:
        running.append(made[layer])

    def leave(_layer: nn.Module, _inputs: Any, output: Any) -> None:
        row = running.pop()
        if isinstance(output, Tensor):
            row.output_shape = tuple(output.shape[1:])
            row.field_px = follow.side_px(output)

    def hold(tensor: Tensor) -> Tensor:
        running[-1].held_bytes += held.new_bytes(tensor) / NUM_IMAGES
        return tensor

    for layer in made:
        layer.register_forward_pre_hook(enter)
        layer.register_forward_hook(leave)
    with saved_tensors_hooks(hold, lambda tensor: tensor):
        yield


class _Held:
    """Counts each block of memory once, and never the parameters, which exist anyway."""

    def __init__(self, layers: dict[nn.Module, Row]) -> None:
        tensors = [t for layer in layers for t in (*layer.parameters(), *layer.buffers())]
        self._storages = {t.untyped_storage()._cdata: t for t in tensors}

    def new_bytes(self, tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        if storage._cdata in self._storages:
            return 0
        self._storages[storage._cdata] = tensor  # kept, so that its key is not reused
        return storage.nbytes()


def _flops(counted: dict[str, Any], body: nn.Module, name: str) -> int:
    """Return the FLOPs of a layer and all within it: two for each multiply-add."""
    key = f"{type(body).__name__}.{name}" if name else type(body).__name__
    return sum(counted.get(key, {}).values())


def _is_shown(layer: nn.Module, row: Row) -> bool:
    does_something = not isinstance(layer, nn.Identity) and not any(layer.children())
    ran = bool(row.output_shape)
    return (does_something and ran) or bool(row.num_parameters or row.multiply_adds)


def _times(sizes: tuple[int | float, ...]) -> str:
    return " × ".join(f"{size:g}" for size in sizes)
