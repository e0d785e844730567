"""Training from the real loader against training on one constant batch: the cost of the data.

    python -m bench.loader [PAIRS]

For each recipe of params.yaml, a fit of some epochs runs twice: with Convoy's loader (stored
images, the policy of params.yaml, batches in shuffled order), and with the loader's first batch
over and over. Run `dvc repro augment` first. It prints the speed with the loader as a fraction of
that with the constant batch; a loader that costs nothing reaches 1.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from bench.fits import fitted
from bench.paired import ratio, shown
from pipeline.config.load import load_params
from pipeline.config.params import Params
from pipeline.config.recipes import Recipe
from pipeline.core.paths import Layout
from pipeline.training.batches import Block
from pipeline.training.datamodule import DataModule, Inputs, TrainLoader

NUM_EPOCHS = 40


class Constant:
    """As many blocks as in an epoch, in which every batch is the first one."""

    def __init__(self, loader: TrainLoader) -> None:
        first, steps = next(iter(loader)), loader.sampler.num_batches
        size = len(first.batches)
        self._blocks = [
            Block(0, begin, first.batches[:1] * min(size, steps - begin))
            for begin in range(0, steps, size)
        ]

    def __len__(self) -> int:
        return len(self._blocks)

    def __iter__(self):
        return iter(self._blocks)


def training(
    params: Params, recipe: Recipe, inputs: Inputs, *, constant: bool
) -> Callable[[], None]:
    real = DataModule.train_dataloader
    loader = (lambda data: Constant(real(data))) if constant else real
    settings = recipe.training.model_copy(update={"epochs": NUM_EPOCHS, "patience": None})
    recipe = recipe.model_copy(update={"training": settings})

    def train() -> None:
        with patch.object(DataModule, "train_dataloader", loader):
            fitted(recipe, inputs, task=params.task, hardware=params.hardware)

    return train


def main(num_pairs: int) -> None:
    params = load_params(Path("params.yaml"))
    inputs = Inputs.open(Layout())
    for name, recipe in params.recipes.items():
        real, still = (
            training(params, recipe, inputs, constant=constant) for constant in (False, True)
        )
        measured = ratio(still, real, num_pairs)
        print(f"{name:10}  {shown(measured)} of the speed on a constant batch", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
