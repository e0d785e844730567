"""Ensemble methods on 100 members × 10,000 samples × 10 classes: time, memory, greedy's shortcut.

    OMP_NUM_THREADS=1 taskset -c 0 python -m bench.ensembling [FITS]        (default: 5)

Each method is fitted FITS times on all samples, and then evaluated once as in the pipeline: fitted
on each of five folds as well, with every calibrator. These times are processor seconds, which other
programs on the machine lengthen less than wall-clock time. Greedy selection alternates, timed by
the wall clock, with the same procedure on whole distributions, which finds the same weights.
"""

import resource
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import log_softmax

from bench.paired import ratio, shown
from pipeline.core.component import load, make, names
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.folds import folds
from pipeline.ensembling.methods.greedy import Params as Greedy
from pipeline.ensembling.methods.greedy import fit as fit_greedy
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.ensembling.truth import Truth

NUM_MEMBERS, NUM_SAMPLES, NUM_CLASSES = 100, 10_000, 10
PLAIN = Greedy(name="greedy", num_bags=1, sorted_start=False)


def pool() -> tuple[np.ndarray, np.ndarray]:
    """Make members of different skill and confidence with partly shared errors."""
    random = np.random.default_rng(0)
    targets = random.integers(0, NUM_CLASSES, NUM_SAMPLES)
    shared = 3 * np.eye(NUM_CLASSES)[targets] + random.normal(size=(NUM_SAMPLES, NUM_CLASSES))
    members = []
    for _ in range(NUM_MEMBERS):
        skill, sureness = random.uniform(0.5, 1.2), random.uniform(0.7, 2.5)
        own = random.normal(size=shared.shape)
        members.append(log_softmax(sureness * (skill * shared + own), axis=1))
    return np.stack(members), targets


def naive(log_probs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Run Caruana's procedure as published, where every candidate is a mean of distributions."""
    probs, rows = np.exp(log_probs), np.arange(len(targets))
    total, picks, lowest, kept = np.zeros(probs.shape[1:]), [], np.inf, 0
    for size in range(1, PLAIN.num_rounds + 1):
        losses = [-np.log((total + p) / size)[rows, targets].mean() for p in probs]
        picks.append(int(np.argmin(losses)))
        total += probs[picks[-1]]
        if min(losses) < lowest:
            lowest, kept = min(losses), size
    return np.bincount(picks[:kept], minlength=len(probs)) / kept


def processor_seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def times(log_probs: np.ndarray, targets: np.ndarray, num_fits: int) -> None:
    print("| method | a fit, s: median (fastest to slowest) | judged, s | peak so far, GiB |")
    print("|---|---|---|---|")
    total = whole = 0.0
    for name in names("method"):
        fits = fit_times(make("method", name), log_probs, targets, num_fits)
        judged = processor_seconds(partial(judge, name, log_probs, targets))
        total, whole = total + float(np.median(fits)), whole + judged
        print(f"| {name} | {spread(fits)} | {judged:.1f} | {peak_gib():.2f} |", flush=True)
    print(f"| all | {total:.2f} | {whole:.1f} | {peak_gib():.2f} |")


def fit_times(component, log_probs: np.ndarray, targets: np.ndarray, num_fits: int) -> np.ndarray:
    module = load("method", component)
    return np.array(
        [
            processor_seconds(partial(module.fit, component, log_probs, Truth.plain(targets)))
            for _ in range(num_fits)
        ]
    )


def judge(name: str, log_probs: np.ndarray, targets: np.ndarray) -> None:
    calibrators = [make("calibrator", c) for c in names("calibrator")]
    place = folds(np.arange(len(targets)), 5, 0)
    answer = Decision("most_probable")
    val = Validation(
        PredictionType("classes"), Truth.plain(targets), place, calibrators, lambda _: answer
    )
    fit(make("method", name), [str(m) for m in range(NUM_MEMBERS)], log_probs, val)


def spread(values: np.ndarray) -> str:
    return f"{np.median(values):.3f} ({values.min():.3f} to {values.max():.3f})"


def greedy(log_probs: np.ndarray, targets: np.ndarray, num_fits: int) -> None:
    one_bag = Greedy(name="greedy", num_bags=1)
    fits = fit_times(one_bag, log_probs, targets, 4 * num_fits)
    print(f"\ngreedy, the whole pool as one bag, {4 * num_fits} fits: {spread(fits)} s")
    same = np.allclose(
        naive(log_probs, targets), fit_greedy(PLAIN, log_probs, Truth.plain(targets))["weights"]
    )
    longer = ratio(
        partial(naive, log_probs, targets),
        partial(fit_greedy, PLAIN, log_probs, Truth.plain(targets)),
        num_fits,
    )
    print(f"whole distributions / greedy, {num_fits} pairs: {shown(longer)}; same weights: {same}")


def main(num_fits: int) -> None:
    log_probs, targets = pool()
    size = f"{NUM_MEMBERS} members × {NUM_SAMPLES:,} samples × {NUM_CLASSES} classes"
    print(f"{size}, {log_probs.nbytes / 2**30:.2f} GiB; before any fit {peak_gib():.2f} GiB\n")
    times(log_probs, targets, num_fits)
    greedy(log_probs, targets, num_fits)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
