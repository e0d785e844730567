"""Training by Lightning's Trainer against a hand-written loop: same batches, model and optimiser.

    python -m bench.loop [PAIRS]

Both train the same network from the same weights on the same loader, with validation after each
epoch, in one thread, where they alternate by blocks of steps: this machine's speed changes within
seconds, for both alike. Convoy's loop has its metrics, lines of progress, checks for divergence,
checkpoints and the seeding of dropout enabled, and its time includes start and end; the
hand-written one is `bare` below. It prints the time of a step of the bare loop, the fraction of its
speed that Convoy reaches in wall-clock and in processor time, which other programs affect less, and
whether the final weights are bitwise equal.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from greenlet import getcurrent, greenlet
from torch.optim import AdamW

from bench.fits import fitted
from bench.paired import shown, typical
from pipeline.augmentation.freeze import freeze
from pipeline.augmentation.policies.crop_flip import Params as CropFlip
from pipeline.config.optimisation import Cosine
from pipeline.config.recipes import Recipe
from pipeline.core.artifacts import Card
from pipeline.core.component import make
from pipeline.images.packed import Packed
from pipeline.models import cpu
from pipeline.models.network import Network
from pipeline.models.precision import Arithmetic
from pipeline.tasks import multiclass
from pipeline.training.batches import Block
from pipeline.training.datamodule import DataModule, Inputs, TrainLoader
from pipeline.training.schedules import factor

NUM_CLASSES, EPOCHS, BATCH = 10, 2, 64
Work = Callable[[Inputs, Recipe], dict[str, torch.Tensor]]
CASES = {"12 ms": (28, (16, 32), 200), "1.5 ms": (8, (4,), 1000)}
"""The images' side in px, the network's widths, and the steps of an epoch."""


def inputs(num_steps: int, side_px: int = 28, num_channels: int = 1) -> Inputs:
    shape = (side_px, side_px, num_channels)
    rng = np.random.default_rng(0)
    size = num_steps * BATCH
    stores = [
        Packed(
            rng.integers(0, 256, (num, *shape), np.uint8),
            rng.integers(0, NUM_CLASSES, num),
            np.array([f"{i}" for i in range(num)]),
            np.full(num, -1),
        )
        for num in (size, 2 * BATCH)
    ]
    classes = tuple(f"{k}" for k in range(NUM_CLASSES))
    statistics = (0.5,) * num_channels, (0.25,) * num_channels
    card = Card(classes, shape, "crop", 1, {}, *statistics, "")
    policy = freeze(CropFlip(name="crop_flip"), shape, online=True, mixing=None)
    return Inputs(card, *stores, policy)


def recipe(widths: tuple[int, ...]) -> Recipe:
    return Recipe(
        model=make("model", "cnn", widths=widths),
        loss=make("loss", "cross_entropy"),
        training={"epochs": EPOCHS, "batch_size": BATCH, "lr": 0.001},
    )


def bare(given: Inputs, wanted: Recipe) -> dict[str, torch.Tensor]:
    """Train with a hand-written loop; return the best epoch's weights."""
    settings = wanted.training
    data = DataModule(given, settings, seed=0)
    network = Network.create(wanted.model, given.card, given.card.image_shape, NUM_CLASSES, 0)
    network.arrange(Arithmetic("fp32", "channels_last", ""))
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = AdamW(groups, lr=settings.lr, fused=True)
    loader, val = data.train_dataloader(), data.val_dataloader()
    steps_per_epoch = data.sampler.num_batches
    cosine = Cosine()
    step, best, kept = 0, float("inf"), {}
    for epoch in range(EPOCHS):
        data.sampler.set_epoch(epoch)
        network.train()
        for batch in (batch for block in loader for batch in block.batches):
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * factor(
                    cosine, step, steps_per_epoch=steps_per_epoch, num_epochs=EPOCHS
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
    return fitted(wanted, given).state_dict()


class Timed(NamedTuple):
    wall_s: float
    own_s: float
    """Processor time: without waiting for files, and without the time of other programs."""
    weights: dict[str, torch.Tensor]


def both(given: Inputs, wanted: Recipe) -> dict[Work, Timed]:
    """Run both loops in turns; each turn ends where a loop asks for its next block."""
    found: dict[Work, dict[str, torch.Tensor]] = {}
    spent = {work: np.zeros(2) for work in (bare, convoy)}
    with _handing_over():
        waiting = {work: greenlet(work) for work in spent}
        while waiting:
            for work, turn in list(waiting.items()):
                begin = _clocks()
                returned = turn.switch(given, wanted)  # what it is given counts the first time
                spent[work] += _clocks() - begin
                if turn.dead:
                    found[work] = returned
                    del waiting[work]
    return {work: Timed(*spent[work], found[work]) for work in spent}


@contextlib.contextmanager
def _handing_over() -> Iterator[None]:
    """Let a loop that asks for its next block give the other its turn."""
    plain = TrainLoader.__iter__

    def in_turns(loader: TrainLoader) -> Iterator[Block]:
        for block in plain(loader):
            getcurrent().parent.switch()
            yield block

    TrainLoader.__iter__ = in_turns
    try:
        yield
    finally:
        TrainLoader.__iter__ = plain


def _clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def main(num_pairs: int) -> None:
    torch.set_num_threads(1)
    cpu.stop_looking_for_gpus()  # as a process that is a fit does
    print(
        "| named | step | share of the speed, wall | processor | weights |\n|---|---|---|---|---|"
    )
    for title, (side_px, widths, num_steps) in CASES.items():
        given, wanted = inputs(num_steps, side_px), recipe(widths)
        convoy(given, wanted)
        pairs = []
        for _ in range(num_pairs):
            found = both(given, wanted)
            pairs.append((found[bare], found[convoy]))
        equal = all(
            torch.equal(ours.weights[name], by_hand.weights[name])
            for by_hand, ours in pairs
            for name in by_hand.weights
        )
        step_ms = 1000 * np.median([by_hand.own_s for by_hand, _ in pairs]) / EPOCHS / num_steps
        print(
            f"| {title} | {step_ms:.1f} ms | {_share(pairs, 'wall_s')} | "
            f"{_share(pairs, 'own_s')} | {'equal' if equal else 'DIFFERENT'} |",
            flush=True,
        )


def _share(pairs: list[tuple[Timed, Timed]], clock: str) -> str:
    ratios = np.array([getattr(by_hand, clock) / getattr(ours, clock) for by_hand, ours in pairs])
    return shown(typical(ratios))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
