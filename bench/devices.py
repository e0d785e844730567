"""One process on one core beside two on two: the same fit, with the same global batch.

    python -m bench.devices [PAIRS]

Timed is an epoch, from the first one's end to the last one's, so that no process's start is in it.
Printed for each network: how many times faster two devices are than one; and the ceiling, how many
times more two fits of one device each do at once than one does alone, which share nothing but the
machine.
"""

import contextlib
import os
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.loop import inputs
from bench.paired import shown, typical
from pipeline.component import schema
from pipeline.params import Hardware, Recipe
from pipeline.training.fit import fit

BATCH, EPOCHS, STEPS = 128, 3, 50
CASES: dict[str, dict[str, Any]] = {
    "cnn, 19,562 parameters": {"name": "cnn", "widths": (32, 64)},
    "resnet, 19,706 parameters": {"name": "resnet", "widths": (16, 32)},
}


def epoch_s(model: dict[str, Any], devices: int) -> float:
    """The mean of all epochs but the first."""
    recipe = Recipe(
        model=schema("model", model["name"])(**model),
        loss=schema("loss", "cross_entropy")(name="cross_entropy"),
        training={"epochs": EPOCHS, "batch_size": BATCH, "lr": 0.001},
    )
    with tempfile.TemporaryDirectory() as name, _quiet():
        folder = Path(name)

        def record(*_: object) -> None:
            with (folder / "times").open("a") as file:
                file.write(f"{time.monotonic()}\n")

        fit(
            recipe,
            inputs(2 * STEPS),  # of 64 images
            task=schema("task", "multiclass")(name="multiclass"),
            seed=0,
            hardware=Hardware(accelerator="cpu", devices=devices, precision="fp32"),
            record=record,
            folder=folder / "checkpoints",
            title="bench",
        )
        times = [float(line) for line in (folder / "times").read_text().split()]
    return (times[-1] - times[0]) / (EPOCHS - 1)


@contextlib.contextmanager
def _quiet():
    """Also for processes that are forked inside."""
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(nowhere)
        os.close(kept)


def at_once(model: dict[str, Any]) -> float:
    with get_context("fork").Pool(2) as pool:
        return float(np.mean(pool.starmap(epoch_s, [(model, 1)] * 2)))


def main(num_pairs: int) -> None:
    torch.set_num_threads(1)
    print("| network | two devices against one | two fits at once against one |\n|---|---|---|")
    for title, model in CASES.items():
        faster, ceiling = [], []
        for _ in range(num_pairs):
            one, two, both = epoch_s(model, 1), epoch_s(model, 2), at_once(model)
            faster.append(one / two)
            ceiling.append(2 * one / both)
        columns = [shown(typical(np.array(r))) for r in (faster, ceiling)]
        print(f"| {title} | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
