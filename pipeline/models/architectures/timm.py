"""Any timm architecture, by name: `{name: timm, architecture: resnet50}`.

    model:
      name: timm
      architecture: resnet50.a1_in1k # after the dot, which of several published weights
      pretrained: true
      options: {drop_path_rate: 0.1, block_args: {attn_layer: cbam}, output_stride: 8}

R. Wightman, PyTorch Image Models, 2019, https://github.com/huggingface/pytorch-image-models.
"""

from __future__ import annotations

import inspect
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from pipeline.core.component import Component
from pipeline.core.errors import UserError
from pipeline.models.libraries import refuse, require

if TYPE_CHECKING:
    from timm.models import PretrainedCfg
    from torch import nn

    from pipeline.models.provenance import Origin


class Params(Component):
    """An architecture, its initial weights, and its own arguments."""

    architecture: str = "resnet18"
    """A name from timm.list_models()."""
    pretrained: bool | str = False
    """true: the weights that timm publishes; a string: a file of weights. The classifier starts at
    zero if its number of outputs differs. Images are then normalised as those weights expect."""
    stem: Literal["auto", "keep", "small"] = "auto"
    """small: omit the first strides of two, or quarter the side of a transformer's patch; auto: do
    so if the image is smaller than 64 px and the stem is not fixed."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the architecture."""

    @field_validator("architecture")
    def _known(cls, given: str) -> str:  # noqa: N805
        require("timm", given.partition(".")[0])
        return given

    @field_validator("options")
    def _free(cls, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N805
        refuse(given, "num_classes", "in_chans", "pretrained", "features_only", "checkpoint_path")
        return given


def build(params: Params, shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """Build a network from n c h w floats of `shape` (height, width, channels) to logits.

    The weights are fresh, even if `pretrained` is set: see `load_pretrained`.
    """
    import timm

    from pipeline.models.options import construct
    from pipeline.models.smallest_input import output_shape
    from pipeline.models.stem import is_small, step_by_one

    make = partial(timm.create_model, params.architecture.partition(".")[0])
    given: dict[str, Any] = {"num_classes": num_outputs, "in_chans": shape[2]}
    small = is_small(shape, params.stem)
    if _config(params).fixed_input_size:
        given["img_size"] = shape[:2]
        given |= _small_patch(params) if small else {}
    body = construct(make, given, params.options)
    if small and "img_size" not in given:
        step_by_one(body, shape[2])
    output_shape(body, shape, params.architecture)
    return body


def check(params: Params) -> None:
    """Raise UserError if the published weights, or the file, are not available."""
    if params.pretrained:
        _file(params)


def load_pretrained(params: Params, body: nn.Module) -> None:
    """Load the weights that `params.pretrained` names into the network that `build` returned.

    Raises:
        UserError: the weights are not available, or do not fit.
    """
    from pipeline.models import pretrained

    path = _file(params)
    weights = pretrained.read(path)
    # Some files name or size their weights as the original code did; the architecture's own file
    # in timm converts them, and resizes the position embeddings of a transformer.
    renamed = vars(sys.modules[type(body).__module__]).get("checkpoint_filter_fn")
    weights = renamed(weights, body) if renamed else weights
    classifiers = _config(params).classifier or ()
    names = (classifiers,) if isinstance(classifiers, str) else classifiers
    pretrained.fit(body, weights, names, path)


def statistics(
    params: Params, num_channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return the mean and std, in 0..1, that the pretrained weights expect; None if fresh."""
    return origin(params).statistics(num_channels) if params.pretrained else None


def origin(params: Params) -> Origin:
    """Return where the pretrained weights come from, and for which images they were made.

    timm's knowledge of the architecture fills in what a file does not say about the images.
    """
    from pipeline.models import pretrained
    from pipeline.models.provenance import Origin, read

    config = _config(params)
    height_px, width_px = config.input_size[1:]
    known = Origin(input_size_px=(height_px, width_px), mean=config.mean, std=config.std)
    if isinstance(params.pretrained, str):
        return read(pretrained.local(Path(params.pretrained))).over(known)
    source = config.hf_hub_id or (config.url if isinstance(config.url, str) else None) or None
    return known.model_copy(update={"source": source, "licence": config.license})


def _config(params: Params) -> PretrainedCfg:
    """Return timm's configuration of the published weights."""
    import timm
    from timm.models import PretrainedCfg

    try:
        found = timm.get_pretrained_cfg(params.architecture)
    except RuntimeError:
        name, _, tag = params.architecture.partition(".")
        tags = ", ".join(timm.list_pretrained(f"{name}.*")) or "none"
        raise UserError(
            f"model.architecture: got weights {tag!r} for {name}; allowed {tags}"
        ) from None
    return found or PretrainedCfg()


def _file(params: Params) -> Path:
    from pipeline.models import pretrained

    if isinstance(params.pretrained, str):
        return pretrained.local(Path(params.pretrained))
    config = _config(params)
    if config.hf_hub_id:
        return pretrained.from_hub(config.hf_hub_id, config.hf_hub_filename or "model.safetensors")
    if isinstance(config.url, str) and config.url:
        return pretrained.from_url(config.url)
    raise UserError(
        f"model.pretrained: got true, but timm publishes no weights for {params.architecture}; "
        "allowed false or a weight file"
    )


def _small_patch(params: Params) -> dict[str, int]:
    """Return a quarter of the side of a patch, as an argument; empty if there are no patches."""
    import timm
    import torch
    from torch import nn

    from pipeline.models.stem import LEFT_OUT

    with torch.device("meta"):
        body = timm.create_model(params.architecture.partition(".")[0])
    patch = dict(body.named_modules()).get("patch_embed.proj")
    if isinstance(patch, nn.Conv2d) and "patch_size" in inspect.signature(type(body)).parameters:
        return {"patch_size": max(1, patch.kernel_size[0] // LEFT_OUT)}
    if params.stem == "small":
        raise UserError(
            f"model.stem: got small, but the stem of {params.architecture} is fixed; allowed "
            "auto, keep"
        )
    return {}
