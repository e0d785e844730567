"""Training from the real loader beside training on one constant batch: what the data costs.

    python -m bench.loader [PAIRS]

For each recipe of params.yaml, a fit of some epochs runs twice: with Convoy's loader (stored
images, the policy of params.yaml, batches in shuffled order), and with the loader's first batch
over and over. Run `dvc repro augment` first. Printed: the share of the constant batch's speed that
the loader reaches, 1 being a loader that costs nothing.
"""

import contextlib
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from pipeline.training.data import Data, Inputs, TrainLoader

from bench.paired import ratio, shown
from pipeline.artifacts import Layout
from pipeline.params import Params, Recipe, load
from pipeline.training.fit import fit

NUM_EPOCHS = 40


class Constant:
    """As many batches as an epoch has, all of them the first one."""

    def __init__(self, loader: TrainLoader) -> None:
        self._num, self._batch = len(loader), next(iter(loader))

    def __len__(self) -> int:
        return self._num

    def __iter__(self):
        return (self._batch for _ in range(self._num))


def training(
    params: Params, recipe: Recipe, inputs: Inputs, *, constant: bool
) -> Callable[[], None]:
    real = Data.train
    loader = (lambda data: Constant(real(data))) if constant else real
    settings = recipe.training.model_copy(update={"epochs": NUM_EPOCHS, "patience": None})
    recipe = recipe.model_copy(update={"training": settings})

    def train() -> None:
        quiet = contextlib.redirect_stdout(io.StringIO())
        with quiet, tempfile.TemporaryDirectory() as folder, patch.object(Data, "train", loader):
            fit(
                recipe,
                inputs,
                task=params.task,
                seed=0,
                hardware=params.hardware,
                record=lambda *_: None,
                folder=Path(folder),
                title="bench",
            )

    return train


def main(num_pairs: int) -> None:
    params = load(Path("params.yaml"))
    inputs = Inputs.open(Layout())
    for name, recipe in params.recipes.items():
        real, still = (
            training(params, recipe, inputs, constant=constant) for constant in (False, True)
        )
        measured = ratio(still, real, num_pairs)
        print(f"{name:10}  {shown(measured)} of the speed on a constant batch", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
