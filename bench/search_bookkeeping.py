"""What a search costs its own process: processor time for each trial, beyond that of the sampler.

    OMP_NUM_THREADS=1 python -m bench.search_bookkeeping [TRIALS...]    (default: 200 1000)

The fits do nothing, the sampler draws at random, and the record is a journal on the disk, as in any
search: in batches of two, and asynchronously. Time that Optuna's sampler takes is left out.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from optuna.samplers import RandomSampler

from pipeline.config.load import parse_params
from pipeline.core.files import read_yaml
from pipeline.search.journal import open_journal
from pipeline.search.run import search
from pipeline.search.spec import StudySpec
from pipeline.search.trial import Ended, Fit, Trial

ASKED = ("before_trial", "infer_relative_search_space", "sample_relative", "sample_independent")
SPACE = {
    "training.lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "training.weight_decay": {"low": 1e-3, "high": 1e-1, "log": True},
}
sampling = [0.0]
"""The processor seconds of the sampler so far."""


class Nothing:
    """Fits that end at once."""

    def run(self, fits: Iterable[Fit]) -> Iterator[tuple[Fit, Ended]]:
        for fit in fits:
            yield fit, Ended({"val/log_loss": [1.0 + fit.number % 7]})

    def restore(self, trials: Iterable[Trial]) -> None:
        pass

    def close(self, trials: Iterable[Trial]) -> None:
        pass


def timed(method: Callable[..., Any]) -> Callable[..., Any]:
    """Add the time of a method of the sampler."""

    def asked(*arguments: Any) -> Any:
        begin_s = time.process_time()
        found = method(*arguments)
        sampling[0] += time.process_time() - begin_s
        return found

    return asked


def measure(num_trials: int, is_asynchronous: bool) -> tuple[float, float]:
    """Return the processor ms of the search and of the sampler for one trial."""
    tree = read_yaml(Path("params.yaml"))
    tree["recipes"]["cnn"]["search"] = {
        "budget": {"trials": num_trials},
        "epochs": 1,
        "space": SPACE,
        "sampler": {"name": "random"},
        "asynchronous": is_asynchronous,
    }
    spec = StudySpec.of(parse_params(tree, "bench"), "cnn")
    sampling[0], begin_s = 0.0, time.process_time()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        storage = open_journal(Path(folder) / "study.journal")
        trials = search(spec, storage, Path(folder), Nothing(), lambda _: {})
    assert [trial.state for trial in trials] == ["COMPLETE"] * num_trials
    spent_s = time.process_time() - begin_s
    return 1000 * (spent_s - sampling[0]) / num_trials, 1000 * sampling[0] / num_trials


def main(counts: list[int]) -> None:
    for name in ASKED:
        setattr(RandomSampler, name, timed(getattr(RandomSampler, name)))
    measure(10, False)  # imports
    for count in counts:
        for is_asynchronous in (False, True):
            own_ms, sampler_ms = measure(count, is_asynchronous)
            way = "asynchronous" if is_asynchronous else "in batches of two"
            print(
                f"{count} trials {way}: {own_ms:.1f} ms of processor time for each, and "
                f"{sampler_ms:.2f} ms of the sampler"
            )


if __name__ == "__main__":
    main([int(given) for given in sys.argv[1:]] or [200, 1000])
