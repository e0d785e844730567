"""The rule that chooses an ensemble, on simulated pools: what does it cost, and is it ever worse?

    OMP_NUM_THREADS=1 python -m bench.choice [POOLS] [KIND] [SIZE]

Four kinds of pools of six networks, each more or less confident: equals; one recipe, whose members
err mostly alike; one strong member among weak ones; and two clusters that err alike within; and
pools of twenty with one strong member. POOLS of each are drawn (default: 40) for each size of
validation, or for one KIND and SIZE alone. Every method is fitted on validation, one is chosen as
in the pipeline, and all are measured on the same 5,000 test samples.

The errors of the choice are compared with those of the method that is best for that kind and size
in hindsight: the ratio of the mean errors, less 1, with Student's 95 % interval over the pools (W.
Cochran, Sampling Techniques, 1977, section 6.4). They are tested against the member that was best
on validation.
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax
from scipy.stats import binomtest
from scipy.stats import t as student

from pipeline.core.component import make, names
from pipeline.ensembling import choice
from pipeline.ensembling.choice import Candidate
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.folds import folds
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.ensembling.truth import Truth
from pipeline.evaluation.significance import mcnemar

KINDS = ("equals", "one recipe", "one strong", "two clusters", "one strong of twenty")
SIZES, NUM_TEST = (300, 1000, 5000), 5000
WEAK = (0.35, 0.45, 0.55, 0.5, 0.4)
"""Skill of the others relative to the strong member, over and over."""
TYPE, DECISION = PredictionType("classes"), Decision("most_probable")


class Result(NamedTuple):
    """One pool: the test errors of every method, and of what was chosen."""

    errors: dict[str, float]
    chosen: str
    is_worse: bool
    """The choice makes significantly more errors than the best member."""


class World(NamedTuple):
    """What validation and test have in common."""

    num_classes: int
    skill: float
    confidences: np.ndarray
    """One for each member."""


def members(kind: str, world: World, num: int, rng: np.random.Generator) -> tuple:
    """Return log-probabilities `m n k` and targets; noise is larger on hard samples."""
    classes = np.arange(world.num_classes)
    targets = rng.integers(0, world.num_classes, num)
    hardness = np.exp(0.5 * rng.normal(size=(num, 1)))
    shared, *clusters = rng.normal(size=(3, num, world.num_classes))
    made = []
    for place, confidence in enumerate(world.confidences):
        own, skill = rng.normal(size=shared.shape), world.skill
        if kind == "one recipe":
            noise = 0.9 * shared + 0.44 * own
        elif kind == "two clusters":
            noise = 0.5 * shared + 0.7 * clusters[place % 2] + 0.5 * own
            skill *= 1 - 0.15 * (place % 2)
        else:
            noise = 0.6 * shared + 0.8 * own
            is_weak = kind.startswith("one strong") and place > 0
            skill *= WEAK[(place - 1) % len(WEAK)] if is_weak else 1.0
        logits = skill * (targets[:, None] == classes) + hardness * noise
        made.append(log_softmax(confidence * logits, axis=1))
    return np.stack(made), targets


def run(kind: str, num: int, seed: int) -> Result:
    rng = np.random.default_rng([seed, KINDS.index(kind), num])
    num_members = 20 if kind.endswith("twenty") else 6
    world = World(
        int(rng.choice([2, 3, 5, 10])), rng.uniform(2.0, 4.5), rng.uniform(0.7, 3.0, num_members)
    )
    table, targets = members(kind, world, num, rng)
    test, truth = members(kind, world, NUM_TEST, rng)
    place = folds(np.arange(num), 5, 0)
    calibrators = [make("calibrator", "temperature")]
    val = Validation(TYPE, Truth.plain(targets), place, calibrators, lambda _: DECISION)
    listed = [f"m{i}" for i in range(num_members)]

    def candidate(method: str, chosen: list[int]) -> Candidate:
        own = fit(make("method", method), [listed[i] for i in chosen], table[chosen], val)
        return Candidate(own, (own.held_out.argmax(axis=1) == targets).astype(float))

    alone = {listed[i]: candidate("best", [i]) for i in range(num_members)}
    methods = {name: candidate(name, list(range(num_members))) for name in names("method")}
    named = dict(zip(listed, test, strict=True))
    right = {
        name: own.fitted.combiner(named).argmax(axis=1) == truth
        for name, own in {**alone, **methods}.items()
    }
    chosen, best = choice.ensemble(methods, val.truth), choice.member(alone)
    ahead, behind = (
        np.array([float((right[a] & ~right[b]).sum())]) for a, b in ((chosen, best), (best, chosen))
    )
    is_worse = bool(behind[0] > ahead[0] and mcnemar(ahead, behind)[0] < 0.05)
    return Result({n: 1 - float(right[n].mean()) for n in methods}, chosen, is_worse)


def relative(own: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Return the ratio of two mean errors less 1, and its interval; each pool has one of each."""
    num, ratio = len(own), own.mean() / other.mean()
    error = (own - ratio * other).std(ddof=1) / other.mean() / num**0.5
    far = student.ppf(0.975, num - 1) * error
    return ratio - 1, ratio - 1 - far, ratio - 1 + far


def row(kind: str, num: int, found: list[Result]) -> str:
    errors = {name: np.array([r.errors[name] for r in found]) for name in names("method")}
    best = min(errors, key=lambda name: errors[name].mean())
    picks = [r.chosen for r in found]
    most = max(set(picks), key=picks.count)
    compared = [np.array([r.errors[r.chosen] for r in found]), errors["mean"], errors["greedy"]]
    shown = ["{:+.1%} [{:+.1%}, {:+.1%}]".format(*relative(own, errors[best])) for own in compared]
    return (
        f"| {kind} | {num:,} | {best}: {errors[best].mean():.4f} | {shown[0]} "
        f"| {sum(r.is_worse for r in found)} of {len(found)} | {most}, {picks.count(most)} "
        f"| {shown[1]} | {shown[2]} |"
    )


def main(num_pools: int, kinds: Sequence[str], sizes: Sequence[int]) -> None:
    print("| pools | validation | best method: error | chosen: error relative to it | worse than "
          "the best member | chosen most often | always mean | always greedy |")  # fmt: skip
    print("|" + "---|" * 8)
    num_worse = total = 0
    for num in sizes:
        for kind in kinds:
            found = [run(kind, num, seed) for seed in range(num_pools)]
            print(row(kind, num, found), flush=True)
            num_worse, total = num_worse + sum(r.is_worse for r in found), total + len(found)
    exact = binomtest(num_worse, total).proportion_ci()
    print(f"\nsignificantly worse than the best member: {num_worse} of {total} pools, "
          f"{num_worse / total:.1%} [{exact.low:.1%}, {exact.high:.1%}]")  # fmt: skip


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 40,
        given[1:2] or KINDS,
        [int(size) for size in given[2:3]] or SIZES,
    )
