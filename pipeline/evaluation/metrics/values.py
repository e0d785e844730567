"""Metrics of regression, where each sample has t numbers."""

from dataclasses import replace
from functools import partial

import numpy as np

from pipeline.evaluation.metrics import residuals as _values
from pipeline.evaluation.metrics.metric import Metric, Table, mean
from pipeline.evaluation.outputs import SystemOutput


def metrics() -> dict[str, Metric]:
    """Return all metrics in the order of tables."""
    lower = partial(Metric, value=mean, higher_is_better=False, interval="log")
    return {
        "rmse": Metric(
            _values.squares,
            _values.rmse,
            higher_is_better=False,
            interval="log",
            deciding=_values.of_squares,
        ),
        "mae": lower(_values.absolute_errors),
        "r2": Metric(_values.squares, _values.r2, higher_is_better=True),
        "interval_coverage": Metric(_values.covered, mean, higher_is_better=True, interval="share"),
        "interval_width": lower(_values.widths),
    }


def of_output(output: int) -> dict[str, Metric]:
    """Return the same metrics for one value."""
    return {
        name: replace(metric, statistics=partial(_of_one, metric, output))
        for name, metric in metrics().items()
    }


def _of_one(metric: Metric, output: int, outputs: SystemOutput, targets: np.ndarray) -> Table:
    own = slice(output, output + 1)
    half_widths = None if outputs.half_widths is None else outputs.half_widths[..., own]
    one = SystemOutput(outputs.predictions[:, own], outputs.decided[:, own], half_widths)
    return metric.statistics(one, targets[:, own])
