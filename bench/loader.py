"""Training from the real loader beside training on one constant batch: what the data costs.

    python -m bench.loader [PAIRS]

For each recipe of params.yaml, Lightning trains some epochs twice: with Convoy's loader (stored
images, the policy of params.yaml, batches in shuffled order), and with the loader's first batch
over and over. Run `dvc repro augment` first. Printed: the share of the constant batch's speed that
the loader reaches, 1 being a loader that costs nothing.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from bench.paired import ratio, shown
from pipeline.artifacts import Layout
from pipeline.params import Hardware, Params, Recipe, load
from pipeline.training.data import Data, Inputs
from pipeline.training.fit import _module
from pipeline.training.lightning import pl

NUM_EPOCHS = 40


class Constant:
    """As many batches as an epoch has, all of them the first one."""

    def __init__(self, data: Data) -> None:
        self._num = len(data.train_dataloader())
        self._batch = next(iter(data.train_dataloader()))

    def __len__(self) -> int:
        return self._num

    def __iter__(self):
        return (self._batch for _ in range(self._num))


def training(
    params: Params, recipe: Recipe, inputs: Inputs, hardware: Hardware, *, constant: bool
) -> Callable[[], None]:
    def train() -> None:
        data = Data(inputs, recipe.training, 0, hardware.loader_workers)
        steps = data.sampler.num_batches
        module = _module(recipe, inputs, params.task, 0, hardware, lambda *_: None, steps)
        trainer = pl.Trainer(
            max_epochs=NUM_EPOCHS,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            default_root_dir=tempfile.gettempdir(),
        )
        data.trainer = trainer
        trainer.fit(module, Constant(data) if constant else data.train_dataloader())

    return train


def main(num_pairs: int) -> None:
    params = load(Path("params.yaml"))
    torch.set_num_threads(params.hardware.threads)
    inputs = Inputs.open(Layout())
    for name, recipe in params.recipes.items():
        real, still = (
            training(params, recipe, inputs, params.hardware, constant=constant)
            for constant in (False, True)
        )
        measured = ratio(still, real, num_pairs)
        print(f"{name:10}  {shown(measured)} of the speed on a constant batch", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
