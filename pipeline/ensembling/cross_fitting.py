"""Fit one system on validation, and evaluate it on samples that it was not fitted on.

A method that fits many weights looks best on the samples it saw. So validation is divided into
folds, by group: a system predicts each fold after a fit on the others. Calibrators are then chosen
in the same way on these predictions. (J. Friedman et al., The Elements of Statistical Learning,
2009, section 7.10.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from pipeline.core.component import Component, load
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.ensembling.truth import Truth

MARGIN = 2.0
"""Paired standard errors by which a calibrator must beat the one that comes first."""

Decide = Callable[[np.ndarray], Decision]
"""A function that chooses the decision rule from the predictions of validation."""


@dataclass(frozen=True)
class Validation:
    """The data that all systems are fitted on."""

    prediction_type: PredictionType
    truth: Truth
    folds: Int[np.ndarray, " n"]
    """The fold of each sample when systems are evaluated."""
    calibrators: Sequence[Component]
    decide: Decide
    notes: Sequence[str] = ()
    """What was left out, in sentences."""


@dataclass(frozen=True)
class Fitted:
    """One system, and its quality on samples that it was not fitted on."""

    combiner: Combiner
    held_out: np.ndarray
    """Its calibrated predictions of validation, each from a fit without the sample."""
    losses: dict[str, np.ndarray]
    """The losses of these per sample, with each calibrator."""
    mean_losses: dict[str, float]
    """Their means, with each calibrator."""

    @property
    def loss(self) -> float:
        """The mean loss with the chosen calibrator."""
        return self.mean_losses[self.combiner.calibrator]

    @property
    def own_losses(self) -> np.ndarray:
        """The losses per sample with the chosen calibrator."""
        return self.losses[self.combiner.calibrator]


def fit(
    method: Component,
    members: Sequence[str],
    predictions: np.ndarray,
    val: Validation,
    places: Sequence[int] | None = None,
) -> Fitted:
    """Fit a method on the predictions of `members`, and choose the calibrator that suits it best.

    Args:
        predictions: predictions of validation; the first axis is that of the members.
        places: where the members are on this axis, if it has more than these: copying them first
            would take the memory of another pool.
    """
    module = load("method", method)
    prediction_type = val.prediction_type

    def predicted(seen: np.ndarray, unseen: np.ndarray) -> np.ndarray:
        own = _some(predictions, places, seen)
        states = prediction_type.fit(module, method, own, val.truth.of(seen))
        del own  # before the next copy is made
        return prediction_type.apply(module, states, _some(predictions, places, unseen))

    combined = _held_out(predicted, val.folds)
    calibrated = {c.name: _calibrated(c, combined, val) for c in val.calibrators}
    losses = {
        name: prediction_type.losses(made, val.truth.targets) for name, made in calibrated.items()
    }
    chosen = _suiting(val.calibrators, losses, val.truth)
    combiner = Combiner(
        method=method.name,
        members=tuple(members),
        states=prediction_type.fit(
            module, method, predictions if places is None else predictions[places], val.truth
        ),
        calibrator=chosen,
        calibrations={
            c.name: prediction_type.fit(load("calibrator", c), c, combined, val.truth)
            for c in val.calibrators
        },
        prediction_type=prediction_type,
        decision=val.decide(calibrated[chosen]),
    )
    means = {name: float(val.truth.mean(own)) for name, own in losses.items()}
    return Fitted(combiner, calibrated[chosen], losses, means)


def _some(
    predictions: np.ndarray, places: Sequence[int] | None, are_taken: Bool[np.ndarray, " n"]
) -> np.ndarray:
    """Copy some of the samples, the second axis, of all members or of those at `places`.

    The copy is laid out member by member, as methods read it. An index of samples alone would lay
    it out sample by sample, and many methods would then copy it again.
    """
    if places is None:
        return np.compress(are_taken, predictions, axis=1)
    found: np.ndarray = predictions[np.ix_(np.asarray(places), np.flatnonzero(are_taken))]
    return found


def _suiting(calibrators: Sequence[Any], losses: dict[str, np.ndarray], truth: Truth) -> str:
    """Return the calibrator that comes first by its ORDER, unless another is clearly better.

    Clearly: its mean held-out loss is lower by more than MARGIN paired standard errors. The lowest
    loss alone is often luck where validation holds few errors (`bench/calibration.py`).
    """
    first = min(calibrators, key=lambda calibrator: calibrator.ORDER).name
    gains = {name: losses[first] - own for name, own in losses.items() if name != first}
    clear = {
        name: truth.mean(gain)
        for name, gain in gains.items()
        if truth.mean(gain) > MARGIN * truth.standard_error(gain)
    }
    return max(clear, key=lambda name: clear[name], default=first)


def _held_out(
    predicted: Callable[[np.ndarray, np.ndarray], np.ndarray], folds: Int[np.ndarray, " n"]
) -> np.ndarray:
    """Return `predicted(seen, unseen)` for each fold, after it has seen the others."""
    parts = {fold: predicted(folds != fold, folds == fold) for fold in np.unique(folds)}
    first = next(iter(parts.values()))
    made = np.empty((len(folds), *first.shape[1:]))
    for fold, part in parts.items():
        made[folds == fold] = part
    return made


def _calibrated(calibrator: Component, combined: np.ndarray, val: Validation) -> np.ndarray:
    module = load("calibrator", calibrator)

    def predicted(seen: np.ndarray, unseen: np.ndarray) -> np.ndarray:
        states = val.prediction_type.fit(module, calibrator, combined[seen], val.truth.of(seen))
        return val.prediction_type.apply(module, states, combined[unseen])

    return _held_out(predicted, val.folds)
