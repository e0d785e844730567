"""Record full trainings of 36 configurations, which bench.search replays.

    OMP_NUM_THREADS=1 python -m bench.search_table

Run `dvc repro augment` on the default parameters first: the digits, 1,071 images to train on and
361 to validate. All configurations train the same small network for 27 epochs with the same seed,
and differ in the learning rate, the batch size and the dropout. The table has one line for each of
them with its validation log-loss and accuracy after each epoch.
"""

import csv
import sys
import tempfile
from collections import defaultdict
from itertools import product
from pathlib import Path

from bench.fits import FP32
from pipeline.config.recipes import Recipe
from pipeline.core.component import make
from pipeline.core.paths import Layout
from pipeline.core.run_log import Spool
from pipeline.execution.job import Job
from pipeline.training.datamodule import Inputs
from pipeline.training.fit import fit

FILE = Path("bench/results/search_table.csv")
EPOCHS = 27
AXES = {
    "training.lr": (0.001, 0.003, 0.01, 0.03),
    "training.batch_size": (32, 64, 128),
    "model.dropout": (0.0, 0.2, 0.4),
}
METRICS = ("val/log_loss", "val/accuracy")


def curves(inputs: Inputs, lr: float, batch_size: int, dropout: float) -> dict[str, list[float]]:
    """Train one configuration; return its metrics by epoch."""
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool")
        spool.open("bench", {"fingerprint": "", "stage": "train"})
        recipe = Recipe(
            model=make("model", "cnn", widths=(8, 16), dropout=dropout),
            loss=make("loss", "cross_entropy"),
            training={"epochs": EPOCHS, "batch_size": batch_size, "lr": lr},
        )
        job = Job(
            title=f"lr {lr:g} batch {batch_size} dropout {dropout:g}",
            recipe=recipe,
            task=make("task", "multiclass"),
            hardware=FP32,
            seed=0,
            folder=folder,
            spool=f"{spool.folder}",
        )
        fit(job, inputs)
        found: dict[str, list[float]] = defaultdict(list)
        for figure in spool.figures():
            found[figure.name].append(figure.value)
        return found


def main() -> None:
    inputs = Inputs.open(Layout())
    with FILE.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*AXES, *(f"{m} {e + 1}" for m in METRICS for e in range(EPOCHS))])
        for values in product(*AXES.values()):
            found = curves(inputs, *values)
            table.writerow([*values, *(f"{v:.6g}" for metric in METRICS for v in found[metric])])
            file.flush()
            print(values, found["val/accuracy"][-1], file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
