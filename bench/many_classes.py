"""Every method on 20 members × 10,000 samples × 1,000 classes: processor seconds and peak memory.

    OMP_NUM_THREADS=1 python -m bench.many_classes [METHOD ...]        (default: all)

Each method that takes so many features is fitted as in the pipeline, on all samples and on all but
each of five folds, with every calibrator that takes so many classes. Wanted: all methods within 600
seconds of one core and 4 GiB. Below the methods is what else the stage `ensemble` fits: means of
growing size, the preferred method without some of the members, one at a time, and each member
alone.
"""

import sys
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import log_softmax

from bench.ensembling import peak_gib, processor_seconds
from pipeline.core.component import make, names
from pipeline.ensembling import choice
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.folds import folds
from pipeline.ensembling.leave_one_out import practicable_members, without
from pipeline.ensembling.nested import nested, practicable_sizes
from pipeline.ensembling.practicable import practicable
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.ensembling.truth import Truth

NUM_MEMBERS, NUM_SAMPLES, NUM_CLASSES = 20, 10_000, 1000
MEMBERS = [str(place) for place in range(NUM_MEMBERS)]


def pool() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, NUM_CLASSES, NUM_SAMPLES)
    table = np.empty((NUM_MEMBERS, NUM_SAMPLES, NUM_CLASSES))
    for member in table:
        logits = rng.normal(size=member.shape)
        logits[np.arange(NUM_SAMPLES), targets] += 4
        member[:] = log_softmax(logits, axis=1)
    return table, targets


def main(chosen: Sequence[str]) -> None:
    table, targets = pool()
    calibrators, notes = practicable(
        [make("calibrator", c) for c in names("calibrator")], NUM_CLASSES
    )
    methods, more = practicable(
        [make("method", m) for m in names("method")], NUM_MEMBERS * NUM_CLASSES
    )
    decision = Decision("most_probable")
    place = folds(np.arange(NUM_SAMPLES), 5, 0)
    val = Validation(
        PredictionType("classes"), Truth.plain(targets), place, calibrators, lambda _: decision
    )
    print("| method | processor s | peak so far, GiB |\n|---|---|---|")
    total = 0.0
    for method in methods:
        if not chosen or method.name in chosen:
            total += timed(method.name, lambda: fit(method, MEMBERS, table, val))  # noqa: B023
    print(f"| all methods | {total:.0f} | {peak_gib():.2f} |")
    sizes, few = practicable_sizes(table)
    timed(f"means of {', '.join(map(str, sizes))} members", lambda: nested(MEMBERS, table, val))
    preferred = make("method", choice.PREFERRED[0])
    equal = Combiner(
        preferred.name, tuple(MEMBERS), [], "temperature", {}, val.prediction_type, decision
    )
    asked, fewer = practicable_members(MEMBERS, table)
    label = f"{preferred.name} without one member, of {len(asked)}"
    timed(label, lambda: without(preferred, equal, table, val, asked[:1]))
    timed("best, of one member", lambda: fit(make("method", "best"), ["0"], table[:1], val))
    print("\n" + "\n".join([*notes, *more, *few, *fewer]))


def timed(label: str, work: Callable[[], object]) -> float:
    seconds = processor_seconds(work)
    print(f"| {label} | {seconds:.0f} | {peak_gib():.2f} |", flush=True)
    return seconds


if __name__ == "__main__":
    main(sys.argv[1:])
