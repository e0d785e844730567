"""Training on one GPU: the cost of data and of Lightning, two fits at once, and a kill.

    python -m bench.gpu [PAIRS [DEVICE [IMAGES]]]

Networks: timm's ResNet-50 at 224 px, and airbench at 32 px, both in bf16 from packed uint8 images,
cropped and mirrored on the device. Epochs after the first are compared, in turns:

- constant: the speed of training from storage, as a fraction of that on one batch over and over;
- bare: its speed as a fraction of that of a hand-written loop on the same loader;
- two at once: the throughput of two fits on the one device, as a multiple of that of one alone;
- resumed: whether a fit interrupted in mid-epoch ends with the bits of an uninterrupted one.

`python -m bench.gpu 1 cpu 256` tries it on a CPU, with smaller networks.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from bench.fits import epoch_s, fitted, together_s
from bench.loader import Constant
from bench.loop import BATCH as IMAGES  # in a step of `inputs`
from bench.loop import NUM_CLASSES, inputs
from bench.paired import shown, typical
from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.config.recipes import Recipe
from pipeline.core.component import make, schema
from pipeline.models.network import Network
from pipeline.models.precision import choose
from pipeline.training.datamodule import DataModule, Inputs

EPOCHS, BATCH = 3, 128
EXECUTION = Execution(loader_workers=4)


def recipe(model: dict[str, Any]) -> Recipe:
    return Recipe(
        model=schema("model", model["name"])(**model),
        loss=make("loss", "cross_entropy"),
        training={
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "lr": 0.01,
            "optimiser": {"name": "sgd", "nesterov": True},
        },
    )


def bare_s(wanted: Recipe, given: Inputs, hardware: Hardware, device: torch.device) -> float:
    """Return the mean epoch but the first of a hand-written loop with validation."""
    data = DataModule(
        given, wanted.training, seed=0, num_workers=EXECUTION.loader_workers, device=device
    )
    shape = given.card.image_shape
    network = Network.create(wanted.model, given.card, shape, NUM_CLASSES, 0).to(device)
    network.arrange(choose(hardware, device, network.body))
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.01, fused=True
    )
    loader, ends = data.train_dataloader(), []
    for epoch in range(EPOCHS):
        data.sampler.set_epoch(epoch)
        network.train()
        for batch in (data.to_device(batch) for block in loader for batch in block.batches):
            loss = torch.nn.functional.cross_entropy(network(batch.images), batch.targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        network.eval()
        with torch.inference_mode():
            for images, _, _ in data.val_dataloader():
                network(images.to(device)).cpu()
        ends.append(time.monotonic())
    return (ends[-1] - ends[0]) / (EPOCHS - 1)


def resumed(wanted: Recipe, given: Inputs, hardware: Hardware) -> bool:
    """Return whether a SIGTERM in the second epoch leaves no trace in the weights."""
    from pipeline.training.callbacks.checkpoints import Checkpoints

    alone = fitted(wanted, given, hardware=hardware, execution=EXECUTION).state_dict()
    begin = Checkpoints.on_train_batch_end

    def leave(self: Checkpoints, trainer: Any, *rest: Any) -> None:
        if trainer.current_epoch == 1 and not trainer.is_last_batch:
            os.kill(os.getpid(), signal.SIGTERM)
        begin(self, trainer, *rest)

    left: dict[str, Any] = {"hardware": hardware, "execution": EXECUTION}
    with tempfile.TemporaryDirectory() as left["folder"]:
        try:
            with patch.object(Checkpoints, "on_train_batch_end", leave):
                fitted(wanted, given, **left)
        except SystemExit:
            again = fitted(wanted, given, **left)
    return all(torch.equal(again.state_dict()[name], value) for name, value in alone.items())


def main(num_pairs: int, kind: str, num_images: int) -> None:
    device = torch.device(kind)
    hardware = Hardware(accelerator="gpu" if kind == "cuda" else "cpu")
    large = {"name": "timm", "architecture": "resnet50" if kind == "cuda" else "resnet18"}
    cases = {
        f"{large['architecture']} 224 px": (recipe(large), inputs(num_images // IMAGES, 224, 3)),
        "airbench 32 px": (recipe({"name": "airbench"}), inputs(8 * num_images // IMAGES, 32, 3)),
    }
    print("| network | images/s | constant | bare | two at once | resumed |")
    print("|---|---|---|---|---|---|")
    real = DataModule.train_dataloader
    for title, (wanted, given) in cases.items():
        # Forks come first, before this process has used the GPU itself.
        twice = np.array(
            [
                together_s(2, wanted, given, hardware=hardware, execution=EXECUTION)
                for _ in range(num_pairs)
            ]
        )
        times: dict[str, list[float]] = {"stored": [], "constant": [], "bare": []}
        for _ in range(num_pairs):
            times["stored"].append(epoch_s(wanted, given, hardware=hardware, execution=EXECUTION))
            with patch.object(DataModule, "train_dataloader", lambda data: Constant(real(data))):
                times["constant"].append(
                    epoch_s(wanted, given, hardware=hardware, execution=EXECUTION)
                )
            times["bare"].append(bare_s(wanted, given, hardware, device))
        stored, constant, bare = map(np.array, times.values())
        columns = [
            f"{len(given.train.ids) / np.median(stored):,.0f}",
            *(shown(typical(ratios)) for ratios in (constant / stored, bare / stored)),
            shown(typical(2 * stored / twice)),
            "equal" if resumed(wanted, given, hardware) else "DIFFERENT",
        ]
        print(f"| {title} | {' | '.join(columns)} |", flush=True)
    print(device_name(kind))


def device_name(kind: str) -> str:
    """Return the name of the device."""
    if kind != "cuda":
        return f"cpu, torch {torch.__version__}"
    driver = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return f"{driver}, torch {torch.__version__}, CUDA {torch.version.cuda}"


if __name__ == "__main__":
    chosen = [*sys.argv[1:], *("3", "cuda", "20000")[len(sys.argv) - 1 :]]
    main(int(chosen[0]), chosen[1], int(chosen[2]))
