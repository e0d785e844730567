"""Every system measured on the same draws; and who is better than whom, by how much, how surely."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from pipeline.evaluation.answers import Answers
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.significance import holm, pairs
from pipeline.evaluation.verdict import Contrast, sentence
from pipeline.evaluation.yardstick import Figures, Yardstick

Measured = dict[str, dict[str, Figures]]
"""By system and metric."""


class Pair(NamedTuple):
    """Two systems by the headline metric."""

    first: str
    second: str
    difference: Estimate
    """The first less the second."""
    p: float
    """Of no difference."""
    p_corrected: float
    """For all pairs that were looked at."""


@dataclass(frozen=True)
class Comparison:
    """All figures of an evaluation. `best_member` and `chosen` were named on validation."""

    systems: dict[str, dict[str, Estimate]]
    pairs: list[Pair]
    gain: Contrast
    """The chosen ensemble against the best member."""
    verdict: str
    """One sentence on the gain."""

    def as_json(self, yardstick: Yardstick) -> dict[str, Any]:
        """With nulls for metrics that the samples do not define."""
        gain = self.gain
        undefined = {"value": None, "low": None, "high": None, "num_samples": len(yardstick.ids)}
        return {
            "kind": yardstick.kind,
            "headline": yardstick.headline,
            "confidence": yardstick.confidence,
            "num_samples": len(yardstick.ids),
            "verdict": self.verdict,
            "chosen": gain.first,
            "best_member": gain.second,
            "p": gain.p,
            "error_reduction": gain.error_reduction and gain.error_reduction._asdict(),
            "differences": {metric: e._asdict() for metric, e in gain.differences.items()},
            "systems": {
                name: {
                    metric: own[metric]._asdict() if metric in own else undefined
                    for metric in yardstick.metrics
                }
                for name, own in self.systems.items()
            },
        }


def compare(
    yardstick: Yardstick, systems: dict[str, Answers], *, chosen: str, best_member: str
) -> Comparison:
    """Measure every system, and each against each."""
    measured = measure(yardstick, systems)
    estimates = {
        name: {metric: yardstick.estimate(metric, figures) for metric, figures in own.items()}
        for name, own in measured.items()
    }
    gain = contrast(yardstick, systems, measured, chosen, best_member)
    verdict = sentence(gain, yardstick, f"the ensemble {chosen}", f"the best member {best_member}")
    return Comparison(estimates, all_pairs(yardstick, systems, measured), gain, verdict)


def measure(yardstick: Yardstick, systems: dict[str, Answers]) -> Measured:
    """All metrics that the samples define."""
    bootstrap, metrics, targets = yardstick.bootstrap, yardstick.metrics, yardstick.targets
    return {name: bootstrap.measure(metrics, answers, targets) for name, answers in systems.items()}


def contrast(
    yardstick: Yardstick,
    systems: dict[str, Answers],
    measured: Measured,
    first: str,
    second: str,
) -> Contrast:
    """One system against another by every metric."""
    own, base, estimate = measured[first], measured[second], yardstick.bootstrap.estimate
    tables = np.stack([yardstick.table(systems[name]) for name in (first, second)])
    headline = yardstick.headline
    reduction = _error_reduction(
        own[headline], base[headline], higher_is_better=yardstick.headline_metric.higher_is_better
    )
    return Contrast(
        first,
        second,
        {name: estimate(own[name] - base[name]) for name in own if name in base},
        estimate(reduction) if np.isfinite(reduction[0]) else None,
        float(pairs(yardstick.headline_metric, tables, yardstick.groups)[0, 1]),
        np.array_equal(systems[first].decided, systems[second].decided),
    )


def all_pairs(yardstick: Yardstick, systems: dict[str, Answers], measured: Measured) -> list[Pair]:
    """Each pair once, in the order of `systems`."""
    figures = [own[yardstick.headline] for own in measured.values()]
    tables = np.stack([yardstick.table(answers) for answers in systems.values()])
    p_of = pairs(yardstick.headline_metric, tables, yardstick.groups)
    names, places = list(systems), list(combinations(range(len(systems)), 2))
    corrected = holm(np.array([p_of[place] for place in places]))
    return [
        Pair(
            names[i],
            names[j],
            yardstick.bootstrap.estimate(figures[i] - figures[j]),
            float(p_of[i, j]),
            float(p),
        )
        for (i, j), p in zip(places, corrected, strict=True)
    ]


def _error_reduction(own: Figures, base: Figures, *, higher_is_better: bool) -> Figures:
    """The error is the metric, or what is missing to 1 where higher is better."""
    error, base_error = (1 - f if higher_is_better else f for f in (own, base))
    share = np.divide(error, base_error, out=np.full_like(own, np.nan), where=base_error > 0)
    reduction: Figures = 1 - share
    return reduction
