"""The learning-rate finder on a recipe's own network and data."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from pipeline import cpu
from pipeline.component import Component
from pipeline.params import Hardware, Recipe
from pipeline.training.data import Batch, Data, Inputs
from pipeline.training.devices import fabric_of
from pipeline.training.fit import Job, plan_of
from pipeline.training.lr_finder import Point, sweep
from pipeline.training.progress import Lines
from pipeline.training.stepper import Stepper


def find_lr(
    recipe: Recipe, inputs: Inputs, *, task: Component, seed: int, hardware: Hardware
) -> list[Point]:
    """`sweep` with the steps of the recipe's first epoch, whatever its schedule.

    One device computes whole batches, as all devices together would. The network is thrown away.
    """
    cpu.use(hardware.threads)
    job = Job(recipe, inputs, task, seed, hardware.on_one_device(), _forget, Path(), "")
    fabric = fabric_of(job.hardware)
    plan = plan_of(fabric, job, Lines)
    stepper = Stepper(fabric, plan)
    stepper.prepare(epoch=0)
    batches = enumerate(_batches(plan.data))

    def step(lr: float) -> float:
        number, batch = next(batches)
        return stepper.update(batch, number, lr / recipe.training.lr).item()

    return sweep(step)


def _batches(data: Data) -> Iterator[Batch]:
    """One epoch after the other, without end."""
    loader = data.train()
    for epoch in count():
        loader.sampler.set_epoch(epoch)
        yield from loader


def _forget(figures: dict[str, float], epoch: int) -> None:
    """No epoch ends here."""
