"""One fit on one core against two at once on two cores, and against one fit on two devices.

    python -m bench.devices [PAIRS]

An epoch is timed, from the end of the first one to the end of the last one, which excludes the
start of a process. For each network it prints how many times the throughput of a single fit two
fits reach at once, which share nothing but the machine, as two members of an ensemble do; and how
many times faster two devices make one fit of the same global batch, which on CPUs serves to test
what GPUs run.
"""

import sys
from typing import Any

import numpy as np
import torch

from bench.fits import FP32, together_s
from bench.loop import inputs
from bench.paired import shown, typical
from pipeline.config.recipes import Recipe
from pipeline.core.component import make, schema

BATCH, EPOCHS, STEPS = 128, 3, 50
TWO = FP32.model_copy(update={"devices": 2, "strategy": "ddp_fork"})
CASES: dict[str, dict[str, Any]] = {
    "cnn, 19,562 parameters": {"name": "cnn", "widths": (32, 64)},
    "resnet, 19,706 parameters": {"name": "resnet", "widths": (16, 32)},
}


def main(num_pairs: int) -> None:
    torch.set_num_threads(1)
    given = inputs(2 * STEPS)  # each batch holds 64 images
    print("| network | two fits at once against one | two devices against one |\n|---|---|---|")
    for title, model in CASES.items():
        recipe = Recipe(
            model=schema("model", model["name"])(**model),
            loss=make("loss", "cross_entropy"),
            training={"epochs": EPOCHS, "batch_size": BATCH, "lr": 0.001},
        )
        at_once, faster = [], []
        for _ in range(num_pairs):
            one = together_s(1, recipe, given)
            at_once.append(2 * one / together_s(2, recipe, given))
            faster.append(one / together_s(1, recipe, given, hardware=TWO))
        columns = [shown(typical(np.array(r))) for r in (at_once, faster)]
        print(f"| {title} | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
