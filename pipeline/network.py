"""A network as the rest of Convoy sees it: uint8 images in, float32 logits out.

Normalisation is part of it, so training, prediction and the packaged model cannot disagree.
"""

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.artifacts import Card, read_json, write_json
from pipeline.component import Component, resolve, retuple, schema
from pipeline.errors import UserError

Precision = Literal["fp32", "bf16"]
MemoryFormat = Literal["contiguous", "channels_last"]


@dataclass(frozen=True)
class Design:
    """All that is needed to build a network again; stored beside its weights."""

    model: dict[str, Any]
    image_shape: tuple[int, ...]
    num_outputs: int


class Network(nn.Module):
    """`body` on normalised images. Mean and std travel with the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, num_channels: int, num_outputs: int) -> None:
        super().__init__()
        self.body = body
        self.num_outputs = num_outputs
        self.register_buffer("mean", torch.zeros(num_channels, 1, 1))
        self.register_buffer("std", torch.ones(num_channels, 1, 1))
        self.memory_format = torch.channels_last

    @classmethod
    def create(cls, model: Component, card: Card, num_outputs: int, seed: int) -> "Network":
        """A network with fresh weights that depend on `seed` alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = cls._build(model, card.image_shape, num_outputs)
        network.mean.copy_(torch.tensor(card.mean).view(-1, 1, 1))
        network.std.copy_(torch.tensor(card.std).view(-1, 1, 1))
        return network

    @classmethod
    def load(cls, folder: Path) -> "Network":
        """The network that `save` wrote.

        Raises:
            UserError: a file is missing or the weights do not fit the design.
        """
        for path in (folder / "design.json", folder / "weights.safetensors"):
            if not path.is_file():
                raise UserError(f"{path}: not found; run `dvc repro train@{folder.name}`")
        design = Design(**retuple(read_json(folder / "design.json")))
        model = schema("model", design.model["name"]).model_validate(design.model)
        network = cls._build(model, design.image_shape, design.num_outputs)
        network.load_state_dict(load_file(folder / "weights.safetensors"))
        return network

    def save(self, folder: Path, model: Component, image_shape: tuple[int, ...]) -> None:
        """Write weights and design; the same weights are the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        design = Design(model.model_dump(), image_shape, self.num_outputs)
        write_json(folder / "design.json", asdict(design))
        weights = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")

    def arrange(self, memory_format: MemoryFormat) -> "Network":
        """Lay weights and images out as `memory_format`."""
        chosen = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
        self.memory_format = chosen[memory_format]
        return self.to(memory_format=self.memory_format)

    def forward(self, images: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n k"]:
        pixels = images.permute(0, 3, 1, 2).to(torch.float32) / 255
        pixels = ((pixels - self.mean) / self.std).contiguous(memory_format=self.memory_format)
        logits: Tensor = self.body(pixels)
        return logits

    @classmethod
    def _build(cls, model: Component, image_shape: tuple[int, ...], num_outputs: int) -> "Network":
        module, own = resolve("model", model)
        body = module.build(own, tuple(image_shape), num_outputs)
        return cls(body, image_shape[2], num_outputs)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def choose_device(accelerator: Literal["auto", "cpu", "gpu"]) -> torch.device:
    """The device that prediction runs on.

    Raises:
        UserError: a GPU is asked for and there is none.
    """
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise UserError("hardware.accelerator: got gpu, this machine shows none; allowed auto, cpu")
    return torch.device("cpu" if accelerator == "cpu" or not torch.cuda.is_available() else "cuda")


@torch.inference_mode()
def predict_logits(
    network: Network,
    images: UInt8[np.ndarray, "n h w c"],
    device: torch.device,
    precision: Precision,
    batch_size: int = 256,
) -> Float[np.ndarray, "n k"]:
    """Logits of every image, in order, in float32."""
    network = network.to(device).eval()
    parts = []
    with autocast(device, precision):
        for start in range(0, len(images), batch_size):
            batch = torch.from_numpy(np.array(images[start : start + batch_size]))
            parts.append(network(batch.to(device)).float().cpu().numpy())
    return np.concatenate(parts)
