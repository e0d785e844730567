"""Search on a recorded table: successive halving against full training, TPE against random draws.

    OMP_NUM_THREADS=1 python -m bench.search [ORDERS [SEEDS]]    (default: 1000 200)

bench.search_table has recorded the table. Halving meets the configurations in batches, in as many
random orders; its decisions are those of a search. Its regret is how much worse the
configuration that it chooses is, trained to the end, than the best of the table: in points of
accuracy, and in log-loss, by which it chooses. TPE and random draws each try a third of the table,
trained to the end, for as many seeds; the difference of their log-losses is paired by seed, with a
95 % interval by Student's t.
"""

import csv
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from optuna.storages import InMemoryStorage
from scipy import stats

from bench.search_table import AXES, EPOCHS, FILE, METRICS
from pipeline.config.load import parse_params
from pipeline.core.files import read_yaml
from pipeline.search.pruning import survivors
from pipeline.search.run import search
from pipeline.search.rungs import rungs
from pipeline.search.spec import StudySpec
from pipeline.search.trial import Ended, Fit, Trial

WAYS = ((9, 1), (18, 1), (36, 1), (9, 2), (18, 2), (36, 2))
"""The size of a batch, and the epochs of its first rung; the factor is 3."""
Key = tuple[float, ...]
Curves = dict[Key, dict[str, list[float]]]


def read() -> Curves:
    """Return the metrics by epoch of each configuration."""
    found: Curves = {}
    with FILE.open(newline="") as file:
        for row in csv.DictReader(file):
            key = tuple(float(row[axis]) for axis in AXES)
            found[key] = {m: [float(row[f"{m} {e + 1}"]) for e in range(EPOCHS)] for m in METRICS}
    return found


def spec(**changes: Any) -> StudySpec:
    """Return the search over the axes of the table."""
    tree = read_yaml(Path("params.yaml"))
    space = {axis: {"choices": list(values)} for axis, values in AXES.items()}
    tree["recipes"]["cnn"]["search"] = {"epochs": EPOCHS, "space": space} | changes
    return StudySpec.of(parse_params(tree, "bench"), "cnn")


def final(curves: dict[str, list[float]], until: int = EPOCHS) -> tuple[float, float]:
    """Return log-loss and accuracy, in percent, of the epoch that a fit would keep."""
    losses = curves["val/log_loss"][:until]
    best = losses.index(min(losses))
    return losses[best], 100 * curves["val/accuracy"][best]


def halve(wanted: StudySpec, table: Curves, order: list[Key]) -> tuple[Key, int]:
    """Return what halving chooses, and the epochs that it trains."""
    complete, epochs = [], 0
    size = wanted.search.batch
    for batch, first in enumerate(range(0, len(order), size)):
        there, reached = list(range(first, min(first + size, len(order)))), 0
        plan = rungs(wanted.search, batch)
        for rung in plan:
            epochs += len(there) * (rung.until_epoch - reached)
            reached = rung.until_epoch
            reports = {n: {reached: final(table[order[n]], reached)[0]} for n in there}
            there = sorted(survivors(wanted, [], reports)) if rung is not plan[-1] else there
        complete += [order[n] for n in there]
    return min(complete, key=lambda key: final(table[key])[0]), epochs


class Replayed:
    """Runs fits by reading the table."""

    def __init__(self, table: Curves) -> None:
        self._table = table

    def run(self, fits: Iterable[Fit]) -> Iterator[tuple[Fit, Ended]]:
        for fit in fits:
            key = tuple(float(fit.settings[axis]) for axis in AXES)  # type: ignore[arg-type]
            yield fit, Ended(self._table[key])

    def restore(self, trials: Iterable[Trial]) -> None:
        pass

    def close(self, trials: Iterable[Trial]) -> None:
        pass


def found_by(sampler: dict[str, Any], table: Curves, num_trials: int, seed: int) -> float:
    """Return the lowest log-loss that a sampler finds."""
    wanted = spec(budget={"trials": num_trials}, sampler=sampler, seed=seed)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        trials = search(wanted, InMemoryStorage(), Path(folder), Replayed(table), lambda _: {})
    return min(trial.values[0] for trial in trials)


def main(num_orders: int, num_seeds: int) -> None:
    table = read()
    ends = np.array([final(curves) for curves in table.values()])
    least, most = ends[:, 0].min(), ends[:, 1][ends[:, 0].argmin()]
    print(f"{len(table)} configurations, {EPOCHS} epochs each; the best: {least:.4f}, {most:.2f} %")
    chance = random.Random(0)
    orders = [chance.sample(list(table), len(table)) for _ in range(num_orders)]
    for batch, min_epochs in WAYS:
        pruner = {"name": "halving", "min_epochs": min_epochs, "factor": 3}
        wanted = spec(budget={"trials": len(table)}, batch=batch, pruner=pruner)
        runs = [halve(wanted, table, order) for order in orders]
        regret = np.array([final(table[key]) for key, _ in runs]) - (least, most)
        share = np.mean([epochs for _, epochs in runs]) / (EPOCHS * len(table))
        points = -regret[:, 1]
        print(
            f"halving, batches of {batch} from {min_epochs} epochs, {num_orders} orders: "
            f"{share:.1%} of the epochs; regret in points of accuracy: mean {points.mean():.3f}, "
            f"95th percentile {np.quantile(points, 0.95):.3f}; in log-loss: mean "
            f"{regret[:, 0].mean():.4f}; the best was chosen in {np.mean(regret[:, 0] == 0):.1%}"
        )
    num_trials = len(table) // 3
    tpe, drawn = (
        np.array([found_by(one, table, num_trials, seed) for seed in range(num_seeds)])
        for one in ({"name": "tpe", "startup_trials": 4}, {"name": "random"})
    )
    gain = tpe - drawn
    low, high = stats.t.interval(0.95, num_seeds - 1, gain.mean(), stats.sem(gain))
    print(
        f"{num_trials} trials, {num_seeds} seeds, regret in log-loss: "
        f"TPE {tpe.mean() - least:.4f}, random {drawn.mean() - least:.4f}; "
        f"TPE less random {gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]"
    )


if __name__ == "__main__":
    main(*(int(text) for text in (*sys.argv[1:], *("1000", "200")[len(sys.argv) - 1 :])))
