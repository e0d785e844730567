"""A worker whose fits are formulas that take a moment: `python -m tests.search.toy_worker …`.

It prints a line for each fit that begins, and one for each that ends. It imports nothing that is
slow, as several of them start at once.
"""

import json
import math
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.config.load import parse_params
from pipeline.core.files import read_yaml
from pipeline.search.run import search
from pipeline.search.shared import SharedStorage
from pipeline.search.spec import StudySpec
from pipeline.search.team import worker_name
from pipeline.search.trial import Ended, Fit, Trial

HEARTBEAT_S = 3
SPACE = {
    "training.lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "training.weight_decay": {"low": 1e-3, "high": 1e-1, "log": True},
}


def toy_spec(search: dict[str, Any]) -> StudySpec:
    tree = read_yaml(Path(__file__).parents[2] / "params.yaml")
    default = {"epochs": 1, "asynchronous": True, "space": SPACE}
    tree["recipes"]["cnn"]["search"] = default | search
    return StudySpec.of(parse_params(tree, "test"), "cnn")


def loss(fit: Fit, epoch: int) -> float:
    """Lowest at a learning rate of 0.01; better with each epoch."""
    lr: Any = fit.settings.get("training.lr", 0.005)
    return abs(math.log(lr / 0.01)) + 1 / epoch


class Formulas:
    """Runs one fit after another.

    Args:
        crashes: the numbers of trials, once for each of their fits that crashes.
    """

    def __init__(self, seconds: float, crashes: Iterable[int] = ()) -> None:
        self._seconds, self._crashes = seconds, list(crashes)

    def run(self, fits: Iterable[Fit]) -> Iterator[tuple[Fit, Ended]]:
        for fit in fits:
            print(f"begin {fit.number}", flush=True)
            time.sleep(self._seconds)
            if fit.number in self._crashes:
                self._crashes.remove(fit.number)
                yield fit, Ended({}, "crashed", "no such device")
                continue
            epochs = range(1, fit.until_epoch + 1)
            history = {"val/log_loss": [loss(fit, epoch) for epoch in epochs]}
            yield fit, Ended(history)
            print(f"end {fit.number}", flush=True)

    def restore(self, trials: Iterable[Trial]) -> None:
        """A log that is no file needs nothing."""

    def close(self, trials: Iterable[Trial]) -> None:
        """Nor does it at the end."""


def main(
    url: str, folder: Path, settings: dict[str, Any], seconds: float, crashes: str = ""
) -> list[Trial]:
    """Take part in a study."""
    spec, shared = toy_spec(settings), SharedStorage(url, HEARTBEAT_S)
    with shared.explained():
        team = shared.join(spec.name, "fingerprint of the work", worker_name(folder), {})
        runner = Formulas(seconds, map(int, crashes.split()))
        return search(spec, shared.optuna, folder, runner, lambda _: {}, team=team)


if __name__ == "__main__":
    url, folder, settings, seconds = sys.argv[1:]
    main(url, Path(folder), json.loads(settings), float(seconds))
