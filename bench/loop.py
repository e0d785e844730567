"""Convoy's training loop beside a hand-written one: same batches, model and optimiser.

    python -m bench.loop [PAIRS]

Both train the same network from the same weights on the same loader, with validation after each
epoch, on one thread. Convoy's has its figures, its lines of progress, its checks for divergence,
its checkpoints and the seeding of dropout on; the hand-written one is what stands in `bare` below.
Printed: the share of the bare loop's speed that Convoy reaches, at a step of about 12 ms and one of
about 1.5, and whether the final weights are equal to the bit.
"""

import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.optim import AdamW

from bench.paired import interval
from pipeline.artifacts import Card
from pipeline.augmentation.policies.crop_flip import Params as CropFlip
from pipeline.augmentation.policy import freeze
from pipeline.component import schema
from pipeline.network import Network
from pipeline.optimisation import Cosine
from pipeline.packed import Packed
from pipeline.params import Hardware, Recipe
from pipeline.precision import Arithmetic
from pipeline.tasks import multiclass
from pipeline.training.data import Data, Inputs
from pipeline.training.fit import fit
from pipeline.training.schedules import factor

SHAPE, NUM_CLASSES, EPOCHS, BATCH = (28, 28, 1), 10, 2, 64
HARDWARE = Hardware(accelerator="cpu", precision="fp32", memory_format="channels_last")
CASES = {"12 ms": ([32, 64], 200), "1.5 ms": ([4, 8], 1200)}  # widths, and steps of an epoch


def inputs(num_steps: int) -> Inputs:
    rng = np.random.default_rng(0)
    size = num_steps * BATCH
    stores = [
        Packed(
            rng.integers(0, 256, (num, *SHAPE), np.uint8),
            rng.integers(0, NUM_CLASSES, num),
            np.array([f"{i}" for i in range(num)]),
            np.full(num, -1),
        )
        for num in (size, 2 * BATCH)
    ]
    classes = tuple(f"{k}" for k in range(NUM_CLASSES))
    card = Card(classes, SHAPE, "crop", 1, {}, (0.5,), (0.25,), "")
    policy = freeze(CropFlip(name="crop_flip"), SHAPE, online=True, mixing=None)
    return Inputs(card, *stores, policy)


def recipe(widths: list[int]) -> Recipe:
    return Recipe(
        model=schema("model", "cnn")(name="cnn", widths=tuple(widths)),
        loss=schema("loss", "cross_entropy")(name="cross_entropy"),
        training={"epochs": EPOCHS, "batch_size": BATCH, "lr": 0.001},
    )


def bare(given: Inputs, wanted: Recipe) -> dict[str, torch.Tensor]:
    """What one would write by hand; the best epoch's weights."""
    settings = wanted.training
    data = Data(given, settings, seed=0)
    network = Network.create(wanted.model, given.card, SHAPE, NUM_CLASSES, 0)
    network.arrange(Arithmetic("fp32", "channels_last", ""))
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = AdamW(groups, lr=settings.lr, fused=True)
    loader, val = data.train(), data.val(num_parts=1)
    cosine = Cosine()
    step, best, kept = 0, float("inf"), {}
    for epoch in range(EPOCHS):
        data.sampler.set_epoch(epoch)
        network.train()
        for batch in loader:
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * factor(
                    cosine, step, steps_per_epoch=len(loader), num_epochs=EPOCHS
                )
            loss = torch.nn.functional.cross_entropy(network(batch.images), batch.targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            step += 1
        network.eval()
        with torch.inference_mode():
            losses = [
                multiclass.scores(
                    multiclass.predictions(network(batch.images).numpy()), batch.targets.numpy()
                )["log_loss"].sum()
                for batch in val
            ]
        if sum(losses) < best:
            best = sum(losses)
            kept = {name: value.clone() for name, value in network.state_dict().items()}
    return kept


def convoy(given: Inputs, wanted: Recipe) -> dict[str, torch.Tensor]:
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        network = fit(
            wanted,
            given,
            task=schema("task", "multiclass")(name="multiclass"),
            seed=0,
            hardware=HARDWARE,
            record=lambda *_: None,
            folder=Path(folder),
            title="bench",
        )
    return network.state_dict()


def timed(work, *arguments) -> tuple[float, dict[str, torch.Tensor]]:
    begin = time.perf_counter()
    weights = work(*arguments)
    return time.perf_counter() - begin, weights


def main(num_pairs: int) -> None:
    torch.set_num_threads(1)
    for title, (widths, num_steps) in CASES.items():
        given, wanted = inputs(num_steps), recipe(widths)
        convoy(given, wanted)
        ratios, equal = [], True
        for _ in range(num_pairs):
            by_hand, expected = timed(bare, given, wanted)
            ours, weights = timed(convoy, given, wanted)
            ratios.append(by_hand / ours)
            equal &= all(torch.equal(weights[name], expected[name]) for name in expected)
        low, high = interval(np.array(ratios))
        print(
            f"{title:7} {1000 * by_hand / (EPOCHS * num_steps):5.1f} ms a step  "
            f"{np.median(ratios):.3f} [{low:.3f}, {high:.3f}] of the bare loop's speed, weights "
            f"{'equal' if equal else 'DIFFERENT'}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
