"""The device that a network computes on."""

from typing import Literal

import torch

from pipeline.core.errors import UserError


def choose_device(accelerator: Literal["auto", "cpu", "gpu"]) -> torch.device:
    """Return the device that an accelerator means on this machine.

    Raises:
        UserError: a GPU is requested and there is none.
    """
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise UserError(
            "hardware.accelerator: got gpu, but no GPU is visible here; allowed auto, cpu"
        )
    return torch.device("cpu" if accelerator == "cpu" or not torch.cuda.is_available() else "cuda")
