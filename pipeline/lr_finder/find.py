"""The learning-rate finder on a recipe's own network and data.

Lightning's `Tuner` is not used: it steps a scheduler of its own, which works under automatic
optimisation alone, and would write a checkpoint.
"""

from itertools import count

from pipeline.config.hardware import Hardware
from pipeline.config.recipes import Recipe
from pipeline.core.component import Component
from pipeline.execution.job import Job
from pipeline.lr_finder.sweep import Point, sweep
from pipeline.models import cpu
from pipeline.models.device import choose_device
from pipeline.models.precision import choose
from pipeline.training.datamodule import DataModule, Inputs
from pipeline.training.fit import module_of


def find_lr(
    recipe: Recipe, inputs: Inputs, *, task: Component, seed: int, hardware: Hardware
) -> list[Point]:
    """Run `sweep` with the steps of the recipe's first epochs, whatever its schedule.

    One device computes whole batches, as all devices together would. The network is discarded.
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
