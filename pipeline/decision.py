"""From predictions to answers, by a rule that validation chooses and the model carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from pipeline.errors import UserError
from pipeline.space import Kind

Costs = tuple[tuple[float, ...], ...]
"""What an answer (column) costs where something else (row) is true."""
Goal = Literal["f1", "accuracy", "balanced_accuracy", "half"]
"""What a threshold is best at on validation; half: 0.5 whatever validation says."""


@dataclass(frozen=True)
class Decision:
    """How one system answers."""

    rule: Literal["most_probable", "thresholds", "costs", "values"]
    thresholds: tuple[float, ...] = ()
    """From where the second class, or each label, is answered."""
    costs: Costs = ()
    """The answer with the lowest expected cost is given."""
    half_widths: tuple[float, ...] = ()
    """Of the interval around each value that holds `coverage` of all samples."""

    def __call__(self, predictions: np.ndarray) -> np.ndarray:
        """Class indices `n`, labels `n k` as bool, or values `n t`; see pipeline.space."""
        if self.rule == "values":
            return predictions
        if self.rule == "costs":
            decided: np.ndarray = (np.exp(predictions) @ np.array(self.costs)).argmin(axis=-1)
            return decided
        if self.rule == "most_probable":
            return np.asarray(predictions.argmax(axis=-1))
        is_over: np.ndarray = np.exp(predictions[..., 1]) >= np.array(self.thresholds)
        return is_over if predictions.ndim == 3 else is_over.astype(np.intp)


def choose(
    kind: Kind,
    predictions: np.ndarray,
    targets: np.ndarray,
    *,
    goal: Goal,
    costs: Costs | None,
    coverage: float,
) -> Decision:
    """How to answer.

    Args:
        predictions: of validation, each from a fit that did not see the sample.
        goal: of thresholds, for two classes and for labels.
        costs: of answers, for classes; they decide alone.
        coverage: of the intervals around values.
    """
    if kind == "values":
        return Decision("values", half_widths=_half_widths(predictions, targets, coverage))
    if kind == "labels":
        return Decision("thresholds", tuple(
            threshold(probs, truth, goal)
            for probs, truth in zip(np.exp(predictions[..., 1]).T, targets.T, strict=True)
        ))  # fmt: skip
    if costs is not None:
        return Decision("costs", costs=costs)
    if predictions.shape[1] > 2:
        return Decision("most_probable")
    return Decision("thresholds", (threshold(np.exp(predictions[:, 1]), targets == 1, goal),))


def check_costs(costs: Costs | None, kind: Kind, classes: Sequence[str]) -> None:
    """Raises UserError unless there is a row and a column for each class."""
    if costs is None:
        return
    if kind != "classes":
        raise UserError(
            "ensemble.costs: got a matrix; allowed null where samples have no one class"
        )
    shape = [len(costs), *sorted({len(row) for row in costs})]
    if shape != [len(classes)] * 2:
        raise UserError(
            f"ensemble.costs: got {shape[0]} rows of {' or '.join(map(str, shape[1:]))} costs; "
            f"allowed {len(classes)} rows of {len(classes)}, in the order {', '.join(classes)}"
        )


def threshold(probs: Float[np.ndarray, " n"], is_true: Bool[np.ndarray, " n"], goal: Goal) -> float:
    """The threshold with the best `goal`, half-way between two probabilities; the one nearest to
    0.5 where several are best, and 0.5 where validation has but one outcome."""
    if goal == "half" or is_true.all() or not is_true.any():
        return 0.5
    values = np.unique(probs)
    never = np.nextafter(1, 2)
    candidates = np.concatenate([[0.0], (values[:-1] + values[1:]) / 2, [never]])
    order = np.argsort(probs)
    first = np.searchsorted(probs[order], candidates)  # from here on the answer is yes
    num_true = np.concatenate([[0], np.cumsum(is_true[order])])
    tp = num_true[-1] - num_true[first]
    fp = len(probs) - first - tp
    fn, tn = num_true[first], first - num_true[first]
    scores = {
        "f1": 2 * tp / (2 * tp + fp + fn),
        "accuracy": (tp + tn) / len(probs),
        "balanced_accuracy": tp / (tp + fn) + tn / (tn + fp),
    }[goal]
    best = candidates[scores == scores.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def _half_widths(
    values: Float[np.ndarray, "n t"], targets: Float[np.ndarray, "n t"], coverage: float
) -> tuple[float, ...]:
    """Split conformal prediction: J. Lei et al., Distribution-Free Predictive Inference for
    Regression, 2018, algorithm 2. The largest error where there are too few samples."""
    rank = min(int(np.ceil((len(values) + 1) * coverage)), len(values))
    errors = np.sort(np.abs(values - targets), axis=0)
    return tuple(errors[rank - 1].tolist())
