"""A network with the interface that the rest of Convoy uses: uint8 images in, float32 logits out.

It includes normalisation, so that training, prediction and the packaged model cannot disagree.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.core.artifacts import Card
from pipeline.core.component import Component, load, retuple, schema
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json
from pipeline.models.precision import Arithmetic

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
PLAIN = Arithmetic("fp32", "channels_last", "")


@dataclass(frozen=True)
class Design:
    """Everything that is needed to rebuild a network; stored beside its weights."""

    model: dict[str, Any]
    input_shape: tuple[int, ...]
    """Height, width, channels."""
    num_outputs: int


class Network(nn.Module):
    """Applies `body` to normalised images. Mean and std travel with the weights.

    Images larger than in training are cropped at their centre, since the training policy cropped
    them at random places.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, input_shape: tuple[int, ...], num_outputs: int) -> None:
        super().__init__()
        self.body = body
        self.input_shape, self.num_outputs = input_shape, num_outputs
        self.register_buffer("mean", torch.zeros(input_shape[2], 1, 1))
        self.register_buffer("std", torch.ones(input_shape[2], 1, 1))
        self.arithmetic = PLAIN
        self.compiled: Callable[[Tensor], Tensor] | None = None
        """The compiled body, for training."""

    @classmethod
    def create(
        cls,
        model: Component,
        card: Card,
        input_shape: tuple[int, ...],
        num_outputs: int,
        seed: int,
    ) -> "Network":
        """Create a network with fresh weights that depend on `seed` alone, or with pretrained ones.

        Input statistics are those of the data, or those used to train the pretrained weights.

        Raises:
            UserError: pretrained weights are missing or do not fit.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = cls.build(model, input_shape, num_outputs)
        mean, std = card.mean, card.std
        module = load("model", model)
        if model.model_dump().get("pretrained"):
            module.load_pretrained(model, network.body)
            mean, std = module.statistics(model, input_shape[2])
        network.mean.copy_(torch.tensor(mean).view(-1, 1, 1))
        network.std.copy_(torch.tensor(std).view(-1, 1, 1))
        return network

    @classmethod
    def load(cls, folder: Path) -> "Network":
        """Load the network that `save` wrote.

        Raises:
            UserError: a file is missing or the weights do not fit the design.
        """
        for path in (folder / "design.json", folder / "weights.safetensors"):
            if not path.is_file():
                raise UserError(f"{path}: not found; run `dvc repro train@{folder.parent.name}`")
        design = Design(**retuple(read_json(folder / "design.json")))
        model = schema("model", design.model["name"]).model_validate(design.model)
        network = cls.build(model, design.input_shape, design.num_outputs)
        network.load_state_dict(load_file(folder / "weights.safetensors"))
        return network

    def save(self, folder: Path, model: Component) -> None:
        """Write weights and design; the same weights give the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        design = Design(model.model_dump(), self.input_shape, self.num_outputs)
        write_json(folder / "design.json", asdict(design))
        weights = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")

    def arrange(self, arithmetic: Arithmetic) -> "Network":
        """Use this arithmetic and memory layout from now on. Weights stay in fp32."""
        self.arithmetic = arithmetic
        return self.to(memory_format=LAYOUTS[arithmetic.memory_format])

    def forward(self, images: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n k"]:
        return self.logits(self.pixels(images))

    def pixels(self, images: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n c h2 w2"]:
        """Return pixels in 0..1, of the size that the body takes."""
        layout = LAYOUTS[self.arithmetic.memory_format]
        # Laid out here: with one channel, both layouts look alike, and convolutions mix them up.
        cropped = self._cropped(images).permute(0, 3, 1, 2)
        return cropped.to(torch.float32, memory_format=layout) / 255

    def logits(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Return the logits of pixels in 0..1."""
        normalised = (pixels - self.mean) / self.std
        body = self.compiled if self.compiled and self.training else self.body
        is_bf16 = self.arithmetic.precision == "bf16"
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=is_bf16):
            logits: Tensor = body(normalised)
        return logits.float()

    def _cropped(self, images: UInt8[Tensor, "n h w c"]) -> UInt8[Tensor, "n h2 w2 c"]:
        height_px, width_px = self.input_shape[:2]
        top, left = (images.shape[1] - height_px) // 2, (images.shape[2] - width_px) // 2
        return images[:, top : top + height_px, left : left + width_px]

    @classmethod
    def build(cls, model: Component, input_shape: tuple[int, ...], num_outputs: int) -> "Network":
        module = load("model", model)
        return cls(module.build(model, input_shape, num_outputs), input_shape, num_outputs)
