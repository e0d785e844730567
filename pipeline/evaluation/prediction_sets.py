"""How often prediction sets contain the true class, and how large they are: all, and by class."""

from itertools import product
from typing import NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float

from pipeline.config.ensembling import SetMethod, Sets
from pipeline.ensembling.conformal import PredictionSets, calibrate
from pipeline.ensembling.truth import Truth
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.metrics.metric import ratio
from pipeline.evaluation.outputs import SystemOutput

ALL = "(all)"


class SetQuality(NamedTuple):
    """The sets of one method, on all samples or on those of one class."""

    method: str
    by_class: bool
    is_used: bool
    """The packaged model gives these sets."""
    name: str
    coverage: Estimate
    """The share of samples whose set contains the true class."""
    mean_size: Estimate
    """The mean number of classes in a set."""
    single: Estimate
    """The share of samples whose set holds one class."""


def set_qualities(
    evaluator: Evaluator,
    outputs: SystemOutput,
    held_out: Float[np.ndarray, "n k"],
    truth: Truth,
    settings: Sets,
    coverage: float,
) -> list[SetQuality]:
    """Measure the sets of every method on test; those in use also for each class.

    Args:
        held_out: the system's predictions of validation, which alone decide the thresholds.
        truth: the truth of validation.
    """
    used, found = (settings.method, settings.by_class), []
    ways = [used, *(way for way in product(get_args(SetMethod), (False, True)) if way != used)]
    for method, by_class in ways:
        own = settings.model_copy(update={"method": method, "by_class": by_class})
        rule = calibrate(held_out, truth, own, coverage)
        is_used = (method, by_class) == used
        found += qualities(evaluator, outputs, rule, by_class=by_class, is_used=is_used)
    return found


def qualities(
    evaluator: Evaluator,
    outputs: SystemOutput,
    rule: PredictionSets,
    *,
    by_class: bool,
    is_used: bool,
) -> list[SetQuality]:
    """Measure the sets of one rule on test; those in use also for each class."""
    names = (ALL, *evaluator.names) if is_used else (ALL,)
    made = evaluator.estimates(_metrics(rule(outputs.predictions), evaluator.targets, names))
    return [
        SetQuality(
            rule.method,
            by_class,
            is_used,
            name,
            *(made[f"{figure} {name}"] for figure in FIGURES),
        )
        for name in names
        if f"coverage {name}" in made  # no sample of an absent class
    ]


FIGURES = ("coverage", "mean_size", "single")


def _metrics(
    inside: Bool[np.ndarray, "n k"], targets: np.ndarray, names: tuple[str, ...]
) -> dict[str, Metric]:
    size = inside.sum(axis=1)
    figures = np.stack([inside[np.arange(len(targets)), targets], size, size == 1], axis=1)
    found: dict[str, Metric] = {}
    for place, name in enumerate(names, start=-1):
        among = np.ones(len(targets), bool) if name == ALL else targets == place
        table = np.hstack([np.ones((len(targets), 1)), figures]) * among[:, None]
        found |= _of_table(table, name)
    return found


def _of_table(table: Float[np.ndarray, "n 4"], name: str) -> dict[str, Metric]:
    def given(*_: object) -> Float[np.ndarray, "n 4"]:
        return table

    def num_among(sums: np.ndarray, _: object) -> np.ndarray:
        return np.asarray(sums[:, 0])

    def mean_of(column: int) -> Metric:
        is_share = column != 2
        return Metric(
            given,
            lambda sums, _: ratio(sums[:, column], sums[:, 0]),
            higher_is_better=is_share,
            interval="share" if is_share else "percentiles",
            share_of=num_among,
        )

    return {f"{figure} {name}": mean_of(i) for i, figure in enumerate(FIGURES, start=1)}
