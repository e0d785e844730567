"""The origin of pretrained weights, their licence, and the images they were trained on.

A safetensors file holds this as JSON under one key of its metadata: with two keys, the same weights
would not always give the same bytes.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator
from safetensors.torch import save_file

from pipeline.core.component import Component, Strict, load
from pipeline.core.errors import UserError
from pipeline.models import pretrained

KEY = "convoy"
Text = Annotated[str, Field(min_length=1, pattern=r"^[^\n]*$")]
Pixels = Annotated[int, Field(ge=1)]
Mean = Annotated[float, Field(ge=0, le=1)]
Std = Annotated[float, Field(gt=0, le=1)]


class Origin(Strict):
    """What is known of some weights; a field is None if it is not recorded."""

    source: Text | None = None
    """Who trained them, and where they were downloaded."""
    licence: Text | None = None
    """SPDX identifier of the licence, if it has one."""
    images: Text | None = None
    """What the images showed, in a few words."""
    input_size_px: tuple[Pixels, Pixels] | None = None
    """Height and width of the images."""
    mean: Annotated[tuple[Mean, ...], Field(min_length=1)] | None = None
    """Mean of each channel, for pixels in 0..1, as for `std`."""
    std: Annotated[tuple[Std, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _both(self) -> "Origin":
        if len(self.mean or ()) != len(self.std or ()):
            raise ValueError(f"got mean {self.mean} and std {self.std}; allowed both, or neither")
        return self

    def over(self, other: "Origin") -> "Origin":
        """Return this record, with its gaps filled from `other`."""
        return other.model_copy(update={k: v for k, v in self if v is not None})

    def statistics(self, num_channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Return the mean and std for a number of channels; None if they are not recorded."""
        if self.mean is None or self.std is None:
            return None
        mean, std = (pretrained.values_of_channels(v, num_channels) for v in (self.mean, self.std))
        return mean, std


def write(weights: pretrained.Weights, origin: Origin, path: Path) -> None:
    """Write weights and their origin; the same two give the same bytes."""
    packed = {name: tensor.contiguous() for name, tensor in weights.items()}
    save_file(packed, path, metadata={KEY: origin.model_dump_json(exclude_none=True)})


def read(path: Path) -> Origin:
    """Return the origin that a file of weights records; empty if Convoy did not write the file.

    Raises:
        UserError: the file is torn, or its record is malformed.
    """
    held = pretrained.metadata(path).get(KEY)
    if held is None:
        return Origin()
    try:
        return Origin.model_validate_json(held)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, (KEY, *first["loc"])))
        raise UserError(
            f"{path}: metadata {where}: got {str(first['input'])[:80]!r}: {first['msg']}; "
            "write the file again"
        ) from None


def describe(model: Component) -> str | None:
    """Describe in one line what `model` starts from; None if its weights are fresh.

    Raises:
        UserError: the file that it names is missing, or does not hold weights.
    """
    given = model.model_dump().get("pretrained")
    if not given:
        return None
    module = load("model", model)
    origin: Origin = module.origin(model)
    place = given if isinstance(given, str) else "the published weights"
    licence = f"{place}: licence {origin.licence}"
    parts = [licence if origin.licence else f"no licence is recorded in {place}"]
    parts += [f"from {origin.source}"] if origin.source else []
    return "; ".join([*parts, f"made for {_images(origin)}"])


def _images(origin: Origin) -> str:
    """Describe what an image must look like."""
    size = " of {} × {} px".format(*origin.input_size_px) if origin.input_size_px else ""
    shown = [(origin.images or "images") + size]
    for name, values in (("mean", origin.mean), ("std", origin.std)):
        shown.append(f"{name} " + (" ".join(f"{v:.3g}" for v in values) if values else "unknown"))
    return ", ".join(shown)
