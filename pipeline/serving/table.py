"""The answers of a deployed ensemble as a table, whose columns are the same for all data sets.

| kind | columns |
|---|---|
| classes | `class`; `prediction_set`, the classes that come into question; `probs`; `error` |
| labels | `labels`, a list; `probs`; `error` |
| values | `values`; `low` and `high`, the ends of the interval around each; `error` |

`probs`, `values`, `low` and `high` map the names of classes, labels or values to numbers, so that
no such name is ever taken for a column. `error` says why there is no image, and everything else is
null then; it is null where there is one.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline.core.kind import Kind
from pipeline.ensembling.conformal import PredictionSets
from pipeline.ensembling.decisions import Decision

Columns = dict[str, list[Any]]
Content = Literal["name", "names", "numbers"]
CONTENTS: dict[Kind, dict[str, Content]] = {
    "classes": {"class": "name", "prediction_set": "names", "probs": "numbers"},
    "labels": {"labels": "names", "probs": "numbers"},
    "values": {"values": "numbers", "low": "numbers", "high": "numbers"},
}
"""What each column but `error` holds: a name, several names, or numbers by name."""


class Answers(NamedTuple):
    """The predictions for a batch of images."""

    predictions: np.ndarray
    """Those of the images without an error, in order, calibrated; see
    pipeline.ensembling.prediction_type."""
    errors: list[str | None]
    """One line for each image that says why it cannot be read; None where it can."""


def tabulate(
    answers: Answers,
    kind: Kind,
    names: Sequence[str],
    decision: Decision,
    sets: PredictionSets | None = None,
) -> Columns:
    """Return the columns, with one entry for each answer."""
    fill = {"classes": _classes, "labels": _labels, "values": _values}[kind]
    is_fine = [error is None for error in answers.errors]
    held = fill(answers.predictions, names, decision) if any(is_fine) else {}
    if held and sets is not None:
        held["prediction_set"] = _chosen(sets(answers.predictions), names)
    rows = {name: iter(held.get(name, repeat(None))) for name in CONTENTS[kind]}
    filled = {n: [next(row) if fine else None for fine in is_fine] for n, row in rows.items()}
    return {**filled, "error": answers.errors}


def _classes(predictions: np.ndarray, names: Sequence[str], decision: Decision) -> Columns:
    decided = [names[i] for i in decision(predictions)]
    return {"class": decided, "probs": _by_name(np.exp(predictions), names)}


def _labels(predictions: np.ndarray, names: Sequence[str], decision: Decision) -> Columns:
    probs = _by_name(np.exp(predictions[..., 1]), names)
    return {"labels": _chosen(decision(predictions), names), "probs": probs}


def _values(predictions: np.ndarray, names: Sequence[str], decision: Decision) -> Columns:
    half = np.array(decision.half_widths)
    parts = {"values": predictions, "low": predictions - half, "high": predictions + half}
    return {name: _by_name(numbers, names) for name, numbers in parts.items()}


def _chosen(inside: np.ndarray, names: Sequence[str]) -> list[list[str]]:
    return [[names[int(i)] for i in np.flatnonzero(row)] for row in inside]


def _by_name(numbers: np.ndarray, names: Sequence[str]) -> list[dict[str, float]]:
    return [dict(zip(names, row, strict=True)) for row in numbers.tolist()]
