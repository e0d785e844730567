"""Any architecture of timm, by name: `{name: timm, architecture: resnet50}`.

    model:
      name: timm
      architecture: resnet50.a1_in1k # after the dot, which of several published weights
      pretrained: true
      options: {drop_path_rate: 0.1, block_args: {attn_layer: cbam}, output_stride: 8}

R. Wightman, PyTorch Image Models, 2019, https://github.com/huggingface/pytorch-image-models.
"""

import inspect
import sys
from functools import partial
from pathlib import Path
from typing import Any, Literal

import timm
import torch
from pydantic import Field, field_validator
from timm.models import PretrainedCfg
from torch import nn

from pipeline.component import Component
from pipeline.errors import UserError
from pipeline.models import _weights
from pipeline.models._least import output_shape
from pipeline.models._options import construct
from pipeline.models._origin import Origin, read
from pipeline.models._stem import LEFT_OUT, is_small, step_by_one


class Params(Component):
    """An architecture, what it starts from, and its own arguments."""

    architecture: str = "resnet18"
    """Of timm.list_models()."""
    pretrained: bool | str = False
    """true: the weights that timm publishes; or a file of weights. The classifier starts at zero
    where its number of outputs differs. Images are then normalised as those weights expect."""
    stem: Literal["auto", "keep", "small"] = "auto"
    """small: the first steps of two, or a quarter of a transformer's patch, are left out; auto:
    where the image is smaller than 64 px, and the stem is not fixed."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the architecture."""

    @field_validator("architecture")
    def _known(cls, given: str) -> str:  # noqa: N805
        from pipeline.models._names import require

        require("timm", given.partition(".")[0])
        return given

    @field_validator("options")
    def _free(cls, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N805
        from pipeline.models._names import refuse

        refuse(given, "num_classes", "in_chans", "pretrained", "features_only", "checkpoint_path")
        return given


def build(params: Params, shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """Takes n c h w floats of `shape` (height, width, channels) and gives n logits each.

    The weights are fresh, also where `pretrained` is set: see `load_pretrained`.
    """
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
    """Raise UserError where the published weights, or the file, are not to be had."""
    if params.pretrained:
        _file(params)


def load_pretrained(params: Params, body: nn.Module) -> None:
    """Give what `build` made the weights that `params.pretrained` names.

    Raises:
        UserError: they are not to be had, or do not fit.
    """
    path = _file(params)
    weights = _weights.read(path)
    # Some files name or size their weights as the original code did; the architecture's own file
    # in timm knows how, and resizes the positions of a transformer.
    renamed = vars(sys.modules[type(body).__module__]).get("checkpoint_filter_fn")
    weights = renamed(weights, body) if renamed else weights
    classifiers = _config(params).classifier or ()
    names = (classifiers,) if isinstance(classifiers, str) else classifiers
    _weights.fit(body, weights, names, path)


def statistics(
    params: Params, num_channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and std, in 0..1, that the pretrained weights expect; None where they are fresh."""
    return origin(params).statistics(num_channels) if params.pretrained else None


def origin(params: Params) -> Origin:
    """Return where the pretrained weights come from, and for which images they were made.

    What a file does not say of the images is what timm knows of the architecture.
    """
    config = _config(params)
    height_px, width_px = config.input_size[1:]
    known = Origin(input_size_px=(height_px, width_px), mean=config.mean, std=config.std)
    if isinstance(params.pretrained, str):
        return read(_weights.local(Path(params.pretrained))).over(known)
    source = config.hf_hub_id or (config.url if isinstance(config.url, str) else None) or None
    return known.model_copy(update={"source": source, "licence": config.license})


def _config(params: Params) -> PretrainedCfg:
    """What timm knows of the published weights."""
    try:
        found = timm.get_pretrained_cfg(params.architecture)
    except RuntimeError:
        name, _, tag = params.architecture.partition(".")
        tags = ", ".join(timm.list_pretrained(f"{name}.*")) or "none"
        raise UserError(
            f"model.architecture: got the weights {tag!r} of {name}; allowed {tags}"
        ) from None
    return found or PretrainedCfg()


def _file(params: Params) -> Path:
    if isinstance(params.pretrained, str):
        return _weights.local(Path(params.pretrained))
    config = _config(params)
    if config.hf_hub_id:
        return _weights.from_hub(config.hf_hub_id, config.hf_hub_filename or "model.safetensors")
    if isinstance(config.url, str) and config.url:
        return _weights.from_url(config.url)
    raise UserError(
        f"model.pretrained: got true, timm publishes no weights of {params.architecture}; "
        "allowed false or a file of weights"
    )


def _small_patch(params: Params) -> dict[str, int]:
    """A quarter of the side of a patch, as an argument; none where there are no patches."""
    with torch.device("meta"):
        body = timm.create_model(params.architecture.partition(".")[0])
    patch = dict(body.named_modules()).get("patch_embed.proj")
    if isinstance(patch, nn.Conv2d) and "patch_size" in inspect.signature(type(body)).parameters:
        return {"patch_size": max(1, patch.kernel_size[0] // LEFT_OUT)}
    if params.stem == "small":
        raise UserError(
            f"model.stem: got small, the stem of {params.architecture} is fixed; allowed auto, keep"
        )
    return {}
