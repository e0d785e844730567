"""Any torchvision classifier, by name: `{name: torchvision, architecture: vgg16}`.

S. Marcel and Y. Rodriguez, Torchvision the machine-vision package of Torch, 2010. AlexNet and
GoogLeNet are here and not in timm. Auxiliary classifiers, which help only in training, are omitted.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from pipeline.core.component import Component
from pipeline.core.errors import UserError
from pipeline.models.libraries import refuse, require

if TYPE_CHECKING:
    from torch import nn

    from pipeline.models.provenance import Origin

WITH_AUXILIARY = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}
HALF = (0.5, 0.5, 0.5)  # mean and std of those two: torchvision rescales within the network
# A ReLU follows the classifier of these: at zero or below, it would pass no gradient.
NEW_BIAS = {"squeezenet1_0": 1.0, "squeezenet1_1": 1.0}
OLD_NAME = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")  # in DenseNet's files


class Params(Component):
    """An architecture, its initial weights, and its own arguments."""

    architecture: str = "resnet18"
    """A name from torchvision.models.list_models()."""
    pretrained: bool | str = False
    """true: the weights that torchvision publishes; a string: a file of weights. The classifier
    starts at zero if its number of outputs differs. Images are then normalised as those weights
    expect."""
    stem: Literal["auto", "keep", "small"] = "auto"
    """small: omit the first strides of two; auto: do so if the image is smaller than 64 px, but
    never for vit_*, whose patch is fixed."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the architecture."""

    @field_validator("architecture")
    def _known(cls, given: str) -> str:  # noqa: N805
        require("torchvision", given)
        return given

    @field_validator("options")
    def _free(cls, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N805
        refuse(given, "num_classes", "weights", "weights_backbone", "aux_logits")
        return given


def build(params: Params, shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """Build a network from n c h w floats of `shape` (height, width, channels) to logits.

    The weights are fresh, even if `pretrained` is set: see `load_pretrained`.
    """
    from torch import nn
    from torchvision import models  # type: ignore[import-untyped]

    from pipeline.models import pretrained
    from pipeline.models.options import construct
    from pipeline.models.smallest_input import output_shape
    from pipeline.models.stem import is_small, step_by_one

    given: dict[str, Any] = {"num_classes": num_outputs}
    if params.architecture in WITH_AUXILIARY:
        given |= {"aux_logits": False, "init_weights": True}
    is_transformer = params.architecture.startswith("vit_")
    if is_transformer:
        given["image_size"] = shape[0]
        if params.stem == "small":
            raise UserError(
                "model.stem: got small, but torchvision fixes the patch size of its "
                "transformers; allowed auto, keep, or name: timm"
            )
    body = construct(partial(models.get_model, params.architecture), given, params.options)
    first = body.get_submodule(pretrained.first_convolution(body))
    assert isinstance(first, nn.Conv2d)
    first.in_channels = shape[2]
    first.weight = nn.Parameter(pretrained.of_channels(first.weight.detach(), shape[2]))
    if is_small(shape, params.stem) and not is_transformer:
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
    left_out = WITH_AUXILIARY.get(params.architecture, ())
    weights = {
        OLD_NAME.sub(r"\1\2", key): value
        for key, value in pretrained.read(path).items()
        if not key.startswith(left_out)
    }
    new_bias = NEW_BIAS.get(params.architecture, 0.0)
    pretrained.fit(body, weights, [_classifier(body)], path, new_bias)


def statistics(
    params: Params, num_channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return the mean and std, in 0..1, that the pretrained weights expect; None if fresh."""
    return origin(params).statistics(num_channels) if params.pretrained else None


def origin(params: Params) -> Origin:
    """Return where the pretrained weights come from, and for which images they were made.

    torchvision's knowledge of the architecture fills in what a file does not say about the images.
    """
    from torchvision import models

    from pipeline.models import pretrained
    from pipeline.models.provenance import Origin, read

    published = models.get_model_weights(params.architecture).DEFAULT
    expected = published.transforms()
    mean, std = tuple(expected.mean), tuple(expected.std)
    if params.architecture in WITH_AUXILIARY:
        mean, std = HALF, HALF
    size_px = expected.crop_size[0]
    known = Origin(input_size_px=(size_px, size_px), mean=mean, std=std)
    if isinstance(params.pretrained, str):
        return read(pretrained.local(Path(params.pretrained))).over(known)
    return known.model_copy(update={"source": published.url})


def _file(params: Params) -> Path:
    from torchvision import models

    from pipeline.models import pretrained

    if isinstance(params.pretrained, str):
        return pretrained.local(Path(params.pretrained))
    return pretrained.from_url(models.get_model_weights(params.architecture).DEFAULT.url)


def _classifier(body: nn.Module) -> str:
    """Return the name of the last layer: linear, or a convolution in SqueezeNet."""
    from torch import nn

    layers = nn.Linear, nn.Conv2d
    names: list[str] = [name for name, part in body.named_modules() if isinstance(part, layers)]
    return names[-1]
