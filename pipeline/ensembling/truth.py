"""The targets that systems are fitted on, and means over them with their standard errors."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Truth:
    """The targets of n samples, which samples belong together, and how much each counts."""

    targets: np.ndarray
    """As in pipeline.core.artifacts, or in the form that a component takes."""
    units: Int[np.ndarray, " n"]
    """Samples of one unit are no independent evidence: a patient, or copies of one picture."""
    weights: Float[np.ndarray, " n"]
    """The mean is 1."""

    @classmethod
    def plain(cls, targets: np.ndarray) -> "Truth":
        """Return the truth of independent samples that all count alike."""
        return cls(targets, np.arange(len(targets)), np.ones(len(targets)))

    def of(self, rows: np.ndarray) -> "Truth":
        """Return the truth of some of the samples."""
        weights = self.weights[rows]
        return Truth(self.targets[rows], self.units[rows], weights / weights.mean())

    @property
    def is_even(self) -> bool:
        """All samples count alike."""
        return bool((self.weights == self.weights[0]).all())

    def mean(self, values: Float[np.ndarray, "*m n"]) -> np.ndarray:
        """Return the weighted mean over the samples, the last axis."""
        return np.asarray((values * self.weights).mean(axis=-1))

    def standard_error(self, values: Float[np.ndarray, " n"]) -> float:
        """Return the standard error of the mean, where whole units are drawn.

        K. Liang and S. Zeger, Longitudinal Data Analysis Using Generalized Linear Models, 1986.
        """
        num = int(self.units.max()) + 1
        away = np.bincount(self.units, self.weights * (values - self.mean(values)), num)
        present = len(np.unique(self.units))
        return float(np.sqrt((away**2).sum() * present / (present - 1)) / len(values))
