"""The learning-rate finder on a recipe's own network and data.

Lightning's `Tuner` steps a scheduler of its own, which the Trainer does under automatic
optimisation alone, and would write a checkpoint.
"""

from itertools import count

from pipeline import cpu
from pipeline.component import Component
from pipeline.params import Hardware, Recipe
from pipeline.precision import choose
from pipeline.predicting import choose_device
from pipeline.training.datamodule import DataModule, Inputs
from pipeline.training.fit import module_of
from pipeline.training.job import Job
from pipeline.training.lr_finder import Point, sweep


def find_lr(
    recipe: Recipe, inputs: Inputs, *, task: Component, seed: int, hardware: Hardware
) -> list[Point]:
    """`sweep` with the steps of the recipe's first epochs, whatever its schedule.

    One device computes whole batches, as all devices together would. The network is thrown away.
    """
    cpu.use(hardware.threads)
    device = choose_device(hardware.accelerator)
    job = Job(title="", recipe=recipe, task=task, hardware=hardware, seed=seed, folder="", spool="")
    module = module_of(job, inputs).to(device)
    module.network.arrange(choose(hardware, device, module.network.body))
    data = DataModule(inputs, recipe.training, seed, device=device)
    module.begin(data, module.configure_optimizers())
    module.prepare(epoch=0)
    batches = enumerate(batch for epoch in count() for batch in data.batches(epoch))

    def step(lr: float) -> float:
        number, batch = next(batches)
        return module.update(batch, number, lr / recipe.training.lr).item()

    return sweep(step)
