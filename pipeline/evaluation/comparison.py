"""Measure every system on the same bootstrap draws and test each difference between two of them."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from pipeline.core.errors import UserError
from pipeline.evaluation import limits
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Bootstrap, Estimate, Measurement
from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.power import POWER, Resolution, resolution
from pipeline.evaluation.significance import holm, pairs
from pipeline.evaluation.verdict import Contrast, resolved, sentence

Measured = dict[str, dict[str, Measurement]]
"""Measurements by system and then by metric."""


class Pair(NamedTuple):
    """The difference between two systems in the headline metric."""

    first: str
    second: str
    difference: Estimate
    """The first minus the second."""
    p: float
    """The p-value of no difference."""
    p_corrected: float
    """The p-value corrected for all pairs that were compared."""


@dataclass(frozen=True)
class Comparison:
    """All results of an evaluation. Validation selected `best_member` and `chosen`."""

    systems: dict[str, dict[str, Estimate]]
    pairs: list[Pair]
    gain: Contrast
    """The chosen ensemble compared with the best member."""
    verdict: str
    """The gain in one sentence."""
    resolved: str
    """What differences the samples can show, in one sentence."""

    def as_json(self, evaluator: Evaluator) -> dict[str, Any]:
        """Return a JSON tree, with null for each metric that the samples leave undefined."""
        gain = self.gain
        undefined = {"value": None, "low": None, "high": None, "num_samples": len(evaluator.ids)}
        return {
            "kind": evaluator.kind,
            **evaluator.as_json(),
            "verdict": self.verdict,
            "resolved": self.resolved,
            "power": POWER,
            "smallest_difference": gain.resolution.smallest,
            "equivalence": {"margin": gain.resolution.margin, "p": gain.resolution.p_equivalent},
            "chosen": gain.first,
            "best_member": gain.second,
            "p": gain.p,
            "error_reduction": gain.error_reduction and gain.error_reduction.as_json(),
            "differences": {metric: e.as_json() for metric, e in gain.differences.items()},
            "systems": {
                name: {
                    metric: own[metric].as_json() if metric in own else undefined
                    for metric in evaluator.metrics
                }
                for name, own in self.systems.items()
            },
        }


def compare(
    evaluator: Evaluator, systems: dict[str, SystemOutput], *, chosen: str, best_member: str
) -> Comparison:
    """Measure every system and compare each with every other."""
    measured = measure(evaluator, systems)
    estimates = {
        name: {metric: evaluator.bootstrap.estimate(one) for metric, one in own.items()}
        for name, own in measured.items()
    }
    gain = contrast(evaluator, systems, measured, chosen, best_member)
    verdict = sentence(gain, evaluator, f"the ensemble {chosen}", f"the best member {best_member}")
    pairs_ = all_pairs(evaluator, systems, measured)
    return Comparison(estimates, pairs_, gain, verdict, resolved(gain, evaluator))


def measure(evaluator: Evaluator, systems: dict[str, SystemOutput]) -> Measured:
    """Compute every metric that the samples define, for each system.

    Raises:
        UserError: they leave the headline metric undefined.
    """
    bootstrap, metrics, targets = evaluator.bootstrap, evaluator.metrics, evaluator.targets
    found = {n: bootstrap.measure(metrics, outputs, targets) for n, outputs in systems.items()}
    if any(evaluator.headline not in own for own in found.values()):
        raise UserError(
            f"test: got {len(targets):,} samples that leave {evaluator.headline} undefined, by "
            "which ensemble.threshold has systems compared; test on samples of every class or "
            "label, or set ensemble.threshold to half"
        )
    return found


def contrast(
    evaluator: Evaluator,
    systems: dict[str, SystemOutput],
    measured: Measured,
    first: str,
    second: str,
) -> Contrast:
    """Compare two systems by every metric."""
    own, base = measured[first], measured[second]
    tables = np.stack([evaluator.table(systems[name]) for name in (first, second)])
    headline = evaluator.headline
    shared = [n for n in own if n in base and own[n].interval != "none"]
    return Contrast(
        first,
        second,
        {n: evaluator.bootstrap.difference(own[n], base[n]) for n in shared},
        error_reduction(
            evaluator.bootstrap,
            own[headline],
            base[headline],
            higher_is_better=evaluator.headline_metric.higher_is_better,
        ),
        float(pairs(evaluator.headline_metric, tables, evaluator.groups, evaluator.weights)[0, 1]),
        np.array_equal(systems[first].decided, systems[second].decided),
        resolution(evaluator, tables),
    )


def all_pairs(
    evaluator: Evaluator, systems: dict[str, SystemOutput], measured: Measured
) -> list[Pair]:
    """Compare each pair once, in the order of `systems`."""
    figures = [own[evaluator.headline] for own in measured.values()]
    bootstrap = evaluator.bootstrap
    tables = np.stack([evaluator.table(outputs) for outputs in systems.values()])
    p_of = pairs(evaluator.headline_metric, tables, evaluator.groups, evaluator.weights)
    names, places = list(systems), list(combinations(range(len(systems)), 2))
    corrected = holm(np.array([p_of[place] for place in places]))
    return [
        Pair(
            names[i],
            names[j],
            bootstrap.difference(figures[i], figures[j]),
            float(p_of[i, j]),
            float(p),
        )
        for (i, j), p in zip(places, corrected, strict=True)
    ]


def surely_alike(contrasts: list[Contrast]) -> list[Resolution]:
    """Return what the samples resolve, with the p-values of equivalence corrected for all."""
    given = [contrast.resolution.p_equivalent for contrast in contrasts]
    known = np.array([p for p in given if p is not None])
    corrected = iter(holm(known).tolist())
    return [
        found.resolution._replace(p_equivalent=None if p is None else next(corrected))
        for found, p in zip(contrasts, given, strict=True)
    ]


def error_reduction(
    bootstrap: Bootstrap, own: Measurement, base: Measurement, *, higher_is_better: bool
) -> Estimate | None:
    """Return the relative reduction of the error; None where no interval of it covers.

    The error is the metric itself, or 1 minus the metric where higher is better.
    """
    error, base_error = (
        1 - one.figures if higher_is_better else one.figures for one in (own, base)
    )
    if not base_error[0] > 0:
        return None
    if own.interval == "percentiles":
        kept = np.divide(error, base_error, out=np.full_like(error, np.nan), where=base_error > 0)
        return bootstrap.percentiles(1 - kept)
    first, second = (
        _of_error(bootstrap.estimate(one), is_share=higher_is_better) for one in (own, base)
    )
    if not (first.has_interval and second.has_interval):
        return None
    varies = error[1:].std() > 0 and base_error[1:].std() > 0
    correlation = float(np.corrcoef(error[1:], base_error[1:])[0, 1]) if varies else 0.0
    low, high = limits.paired_ratio(first[:3], second[:3], correlation)
    if not np.isfinite(high):
        return None
    return Estimate(1 - first.value / second.value, 1 - high, 1 - low, first.num_samples)


def _of_error(found: Estimate, *, is_share: bool) -> Estimate:
    """Return the estimate of an error from that of the metric."""
    if not is_share:
        return found
    return Estimate(1 - found.value, 1 - found.high, 1 - found.low, found.num_samples)
