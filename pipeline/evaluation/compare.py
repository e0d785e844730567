"""Every system measured on the same draws, and the ensemble set against the best member."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipeline.evaluation.intervals import Bootstrap, Estimate
from pipeline.evaluation.metrics import Metric


@dataclass(frozen=True)
class Comparison:
    """All figures of an evaluation. `best_member` and `chosen` were named on validation."""

    systems: dict[str, dict[str, Estimate]]
    differences: dict[str, Estimate]
    """By metric: the chosen ensemble less the best member, on the same draws."""
    chosen: str
    best_member: str
    confidence: float

    @property
    def verdict(self) -> str:
        """One sentence on accuracy: who is better, by how much, how sure."""
        gain = self.differences["accuracy"]
        points = f"{100 * gain.value:+.2f} points [{100 * gain.low:+.2f}, {100 * gain.high:+.2f}]"
        if self.systems[self.chosen] == self.systems[self.best_member]:
            found = f"{self.chosen} answers as {self.best_member} alone does"
        elif gain.low > 0:
            found = f"{self.chosen} beats {self.best_member}"
        elif gain.high < 0:
            found = f"{self.best_member} beats {self.chosen}"
        else:
            found = f"no difference shown between {self.chosen} and {self.best_member}"
        return (
            f"{found}: accuracy {points}, {self.confidence:.0%} interval, "
            f"{gain.num_samples:,} test samples"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "chosen": self.chosen,
            "best_member": self.best_member,
            "confidence": self.confidence,
            "systems": {
                name: {metric: e._asdict() for metric, e in estimates.items()}
                for name, estimates in self.systems.items()
            },
            "differences": {metric: e._asdict() for metric, e in self.differences.items()},
        }


def compare(
    systems: dict[str, Float[np.ndarray, "n k"]],
    targets: Int[np.ndarray, " n"],
    metrics: dict[str, Metric],
    *,
    chosen: str,
    best_member: str,
    num_bootstrap: int,
    confidence: float,
    seed: int,
) -> Comparison:
    """Measure every system's log-probabilities against the targets."""
    bootstrap = Bootstrap(targets, num_bootstrap, confidence, seed)
    measured = {
        name: {key: bootstrap.estimate(metric, log_probs) for key, metric in metrics.items()}
        for name, log_probs in systems.items()
    }
    differences = {
        key: bootstrap.difference(metric, systems[chosen], systems[best_member])
        for key, metric in metrics.items()
    }
    return Comparison(measured, differences, chosen, best_member, confidence)


def confusion_counts(
    log_probs: Float[np.ndarray, "n k"], targets: Int[np.ndarray, " n"]
) -> Int[np.ndarray, "k k"]:
    """Rows are true classes, columns predicted ones."""
    num_classes = log_probs.shape[1]
    pairs = targets * num_classes + log_probs.argmax(axis=1)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
