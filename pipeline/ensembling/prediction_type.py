"""The two forms of predictions that ensemble methods and calibrators use, whatever the task.

A *distribution* over k ≥ 2 outcomes per sample, as log-probabilities; and *values*, t numbers per
sample, in standard deviations of train so that all count equally. A set of labels is a distribution
over (absent, present) for every pair of sample and label: either all pairs share one fit, or, for a
component with `PER_LABEL = True`, each label has its own.
"""

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.core.component import Component
from pipeline.core.kind import Kind
from pipeline.ensembling.truth import Truth

State = dict[str, np.ndarray]
"""The fitted state of a component: plain arrays, which JSON can hold."""


@dataclass(frozen=True)
class PredictionType:
    """Converts the predictions for one kind of targets to the form of a component, and back.

    Predictions are, after any number of leading axes: log-probabilities `n k` for classes and
    `n k 2` for labels, or values `n t` in their own units.
    """

    kind: Kind
    scale: tuple[tuple[float, ...], ...] = ()
    """Mean and standard deviation of values over train; empty for other kinds."""

    def fit(
        self, module: ModuleType, params: Component, predictions: np.ndarray, truth: Truth
    ) -> list[State]:
        """Return one state, or one per label if labels are fitted separately."""
        fit = module.fit_values if self.kind == "values" else module.fit
        inputs = self._inputs(predictions, per_label=module.PER_LABEL)
        wanted = self._truths(truth, per_label=module.PER_LABEL)
        return [fit(params, *pair) for pair in zip(inputs, wanted, strict=True)]

    def apply(self, module: ModuleType, states: list[State], predictions: np.ndarray) -> np.ndarray:
        """Apply the component to predictions, and return them in the form in which they came."""
        apply: Any = module.apply_values if self.kind == "values" else module.apply
        inputs = self._inputs(predictions, per_label=module.PER_LABEL)
        made = [apply(*pair) for pair in zip(states, inputs, strict=True)]
        if self.kind == "values":
            mean, std = self.scale
            return np.asarray(made[0] * std + mean)
        if self.kind == "labels":
            shape = (-1, *predictions.shape[-2:])
            return np.stack(made, axis=-2) if module.PER_LABEL else made[0].reshape(shape)
        return np.asarray(made[0])

    def losses(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return each sample's loss, after the leading axes.

        It is the log-loss in nats, averaged over its labels; or the squared error in variances of
        train, averaged over its values.
        """
        if self.kind == "values":
            _, std = self.scale
            return np.asarray((((predictions - targets) / std) ** 2).mean(axis=-1))
        wanted = targets.astype(np.intp)[..., None]
        wanted = np.broadcast_to(wanted, (*predictions.shape[:-1], 1))
        true = np.take_along_axis(predictions, wanted, axis=-1)[..., 0]
        return -true.mean(axis=-1) if self.kind == "labels" else -true

    def _inputs(self, predictions: np.ndarray, *, per_label: bool) -> list[np.ndarray]:
        """Return what each fit of the component sees of the predictions."""
        if self.kind == "values":
            mean, std = self.scale
            return [(predictions - mean) / std]
        if self.kind == "classes":
            return [predictions]
        if per_label:
            return list(np.moveaxis(predictions, -2, 0))
        *leading, num, num_labels, _ = predictions.shape
        return [predictions.reshape(*leading, num * num_labels, 2)]

    def _truths(self, truth: Truth, *, per_label: bool) -> list[Truth]:
        """Return what each fit of the component sees of the truth."""
        if self.kind == "values":
            mean, std = self.scale
            return [replace(truth, targets=(truth.targets - mean) / std)]
        if self.kind == "classes":
            return [truth]
        outcomes = truth.targets.astype(np.intp)
        if per_label:
            return [replace(truth, targets=own) for own in outcomes.T]
        num_labels = outcomes.shape[1]
        units, weights = (np.repeat(own, num_labels) for own in (truth.units, truth.weights))
        return [Truth(outcomes.reshape(-1), units, weights)]
