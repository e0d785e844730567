"""Summarise a network's layers, sizes and work, without computing anything.

torchinfo lists the layers with their shapes and parameters. Everything comes from passes of two
images on torch's meta device, where tensors have shapes and no values; two, since a batch norm
refuses a single value; every figure is for one.

Multiply-adds are torch's own count. torchinfo multiplies a linear layer's weights once for an image
instead of once for a token, and sees no operation outside a layer: it found 34 million of the 1,254
of timm's vit_tiny_patch16_224, 63 of the 4,491 of its swin_tiny_patch4_window7_224, and none of a
functional convolution. (It agrees within 2 % where convolutions do the work, also in groups.) The
memory that it expects the backward pass to need is 0.7 to 2.1 times what autograd holds, so that is
measured here as well.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import torchinfo
from rich import box
from rich.table import Table
from torch import Tensor, UntypedStorage, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from pipeline.config.recipes import Recipe
from pipeline.core.component import Component, make, names, schema
from pipeline.core.errors import UserError
from pipeline.models.cost import NUM_IMAGES, probe_of
from pipeline.models.libraries import architectures
from pipeline.models.receptive_field import Follow, Pair


class Row(NamedTuple):
    """One layer, or a block with all that is in it."""

    name: str
    """Dotted path; empty for the whole network."""
    kind: str
    output_shape: tuple[int, ...]
    """Output shape without n; empty for a mere container."""
    num_parameters: int
    multiply_adds: float
    """Multiply-adds of convolutions and matrix products; all else is negligible."""
    field_px: Pair | None
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
    """Return one row for the whole network, then one per block and layer, in the order they run.

    Args:
        shape: height, width, channels of one image.
    """
    probe, images = probe_of(body, shape)
    follow, counter = Follow(images), FlopCounterMode(display=False)
    flops, fields = _watch(probe, follow, counter)
    with counter, follow:
        found = torchinfo.summary(probe, input_data=images, device="meta", mode="train", verbose=0)
    paths = {layer: path for path, layer in probe.named_modules()}
    return [
        Row(
            paths[info.module],
            info.class_name,
            tuple(info.output_size[1:]),
            info.num_params,
            _total(flops, info.module) / 2 / NUM_IMAGES,  # a multiply-add is two FLOPs
            fields.get(info.module),
        )
        for info in found.summary_list
        if not info.is_recursive and not isinstance(info.module, nn.Identity)
    ]


def held_bytes(body: nn.Module, shape: tuple[int, int, int]) -> float:
    """Return the memory that the backward pass needs for one image, in fp32."""
    probe, images = probe_of(body, shape)
    exists = {t.untyped_storage()._cdata for t in (*probe.parameters(), *probe.buffers())}
    held: dict[int, UntypedStorage] = {}

    def hold(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[storage._cdata] = storage  # kept, so that its key is not used again
        return tensor

    with saved_tensors_hooks(hold, lambda tensor: tensor):
        probe(images)
    return sum(held[key].nbytes() for key in held.keys() - exists) / NUM_IMAGES


def table(title: str, body: nn.Module, shape: tuple[int, int, int]) -> Table:
    """Return the rows of a network as a table for rich to print.

    Layers are indented below their block and their kind is shortened first, so that each takes one
    line of 80 columns.
    """
    held_mb = held_bytes(body, shape) / 1e6
    caption = (
        "field: receptive field in px; – where it has no bound\n"
        f"held for the backward pass: {held_mb:,.3f} MB per image in fp32"
    )
    padding = (0, 1, 0, 0)
    made = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=padding, pad_edge=False)
    made.add_column("layer", no_wrap=True)
    made.add_column("kind", overflow="ellipsis")
    for heading in ("output", "parameters", "multiply-adds", "field"):
        made.add_column(heading, justify="right", no_wrap=True)
    for row in rows(body, shape):
        *blocks, name = row.name.split(".")
        made.add_row(
            " " * len(blocks) + (name or "all"),
            row.kind,
            _times(row.output_shape),
            f"{row.num_parameters:,}",
            f"{row.multiply_adds:,.0f}",
            _times(row.field_px) if row.field_px else "–",
        )
    return made


def _watch(
    probe: nn.Module, follow: Follow, counter: FlopCounterMode
) -> tuple[dict[nn.Module, int], dict[nn.Module, Pair | None]]:
    """Return the FLOPs and the receptive field of each layer, to be filled by a pass."""
    flops: dict[nn.Module, int] = {}
    fields: dict[nn.Module, Pair | None] = {}

    def enter(layer: nn.Module, _: Any) -> None:
        flops[layer] = flops.get(layer, 0) - counter.get_total_flops()

    def leave(layer: nn.Module, _: Any, output: Any) -> None:
        flops[layer] += counter.get_total_flops()
        fields.setdefault(layer, follow.side_px(output) if isinstance(output, Tensor) else None)

    for layer in probe.modules():
        layer.register_forward_pre_hook(enter)
        layer.register_forward_hook(leave)
    return flops, fields


def _total(flops: dict[nn.Module, int], layer: nn.Module) -> int:
    """Return the FLOPs of a layer; of a container that does not run itself, those of its parts."""
    return flops[layer] if layer in flops else sum(_total(flops, part) for part in layer.children())


def _times(sizes: tuple[int | float, ...]) -> str:
    return "×".join(f"{size:g}" for size in sizes)
