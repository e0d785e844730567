"""What would make the ensemble better: another seed, another kind of network, or nothing.

It rests on squared errors, of probabilities (the Brier score) or of standardised values, because
there the answer is exact. The loss of the mean of m seeds of a recipe is a + b / m: a is what two
seeds err alike, the mean product of their errors, and b is how far one seed's error exceeds it (A.
Krogh and J. Vedelsby, Neural Network Ensembles, Cross Validation, and Active Learning, 1995). What
one more member would bring to any ensemble follows from the same products. All of it is computed on
validation, so that test has no part in what is tried next.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pipeline.core.kind import Kind
from pipeline.evaluation.intervals import Bootstrap, Estimate
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.metrics.metric import mean
from pipeline.evaluation.outputs import SystemOutput

Errors = dict[str, Float[np.ndarray, "n e"]]
"""Each member's errors on each sample, scaled so that a sample's loss is their sum of squares."""
PerSample = Float[np.ndarray, " n"]
LEAST_SHOWN = 0.001
"""The end of an interval below which four decimals would say too little."""
LOSSES: dict[Kind, str] = {
    "classes": "Brier score",
    "labels": "Brier score of a label",
    "values": "squared error (in variances of train)",
}


class Addition(NamedTuple):
    """What further seeds of one recipe would bring. Losses are means over validation."""

    recipe: str
    num_seeds: int
    loss: Estimate
    """The mean loss of one network."""
    error_correlation: Estimate
    """What two seeds err alike, as a share of the loss: 1 where they err the same."""
    twice: Estimate
    """The loss of the mean of twice as many seeds as there are."""
    limit: Estimate
    """The loss that the mean of ever more seeds approaches."""
    saved: Estimate
    """How much one more seed would reduce the loss of the mean of the best members."""


class Advice(NamedTuple):
    """Everything that the advice rests on."""

    kind: Kind
    additions: list[Addition]
    """The most useful recipe comes first; left out is one with one seed, or without any error."""
    lone: tuple[str, ...]
    """The recipes with one seed, of which nothing is known."""
    best_member: str
    saved: Estimate
    """How much lower the loss of the chosen ensemble is than that of the best member."""
    best_mean: tuple[str, ...]
    """The members whose mean has the lowest loss, in the order of their usefulness."""


def errors_of(
    kind: Kind, predictions: np.ndarray, targets: np.ndarray, std: tuple[float, ...]
) -> Float[np.ndarray, "n e"]:
    """Return the errors of one member.

    Args:
        predictions: as in pipeline.ensembling.prediction_type.
        std: the standard deviation of each value over train; empty for classes and labels.
    """
    if kind == "values":
        made = (predictions - targets) / np.array(std) / targets.shape[1] ** 0.5
    elif kind == "labels":
        made = (np.exp(predictions[..., 1]) - targets) / targets.shape[1] ** 0.5
    else:
        made = np.exp(predictions) - np.eye(predictions.shape[1])[targets]
    return np.asarray(made, np.float32)  # half the memory, where there are many classes


def advice(
    kind: Kind,
    errors: Errors,
    recipe_of: Mapping[str, str],
    useful: tuple[str, ...],
    best_member: str,
    ensemble: Float[np.ndarray, "n e"],
    weights: Float[np.ndarray, " n"],
    bootstrap: Bootstrap,
) -> Advice:
    """Estimate what further seeds of each recipe would bring.

    Args:
        errors: those of all members.
        recipe_of: the recipe of each member; a soup has none.
        useful: the members in the order of their usefulness.
        ensemble: the errors of the chosen ensemble.
        weights: how much each sample counts; the mean is 1.
        bootstrap: over the samples of validation, with the same weights.
    """
    recipes: dict[str, list[str]] = {}
    for member in errors:
        if member in recipe_of:
            recipes.setdefault(recipe_of[member], []).append(member)
    best_mean = _best_mean(errors, useful, weights)
    saved = _product(errors[best_member], errors[best_member]) - _product(ensemble, ensemble)
    found = [
        _addition(recipe, members, errors, best_mean, bootstrap)
        for recipe, members in recipes.items()
        if len(members) > 1 and any(_product(errors[m], errors[m]).any() for m in members)
    ]
    return Advice(
        kind,
        sorted(found, key=lambda row: -row.saved.value),
        tuple(recipe for recipe, members in recipes.items() if len(members) == 1),
        best_member,
        _estimate(saved, bootstrap),
        best_mean,
    )


def _best_mean(errors: Errors, useful: tuple[str, ...], weights: PerSample) -> tuple[str, ...]:
    """Return as many of the most useful members as have the lowest loss together."""
    total, losses = np.zeros_like(errors[useful[0]]), []
    for num, member in enumerate(useful, start=1):
        total = total + errors[member]
        losses.append((_product(total, total) * weights).mean() / num**2)
    return useful[: int(np.argmin(losses)) + 1]


def sentences(found: Advice) -> list[str]:
    """Return the advice in plain words, the most important first."""
    name = LOSSES[found.kind]
    said = [_on_the_ensemble(found, name)]
    said += _on_seeds(found.additions[0], found.best_mean, name) if found.additions else []
    said += [f"{recipe} has one seed, so train a second to learn what more would bring"
             for recipe in found.lone]  # fmt: skip
    return [f"advice: {sentence}" for sentence in said]


def _on_the_ensemble(found: Advice, name: str) -> str:
    saved = found.saved
    verb, change = ("lowers", saved) if saved.value >= 0 else ("raises", _negative(saved))
    size = f"{verb} the {name} of {found.best_member} by {_shown(change)} on validation"
    if found.saved.low > 0:
        return f"keep the ensemble: it {size}"
    return f"one network is enough: the ensemble {size}, which shows no gain"


def _on_seeds(first: Addition, best_mean: tuple[str, ...], name: str) -> list[str]:
    """Return what more seeds would bring, given the recipe of which one more would bring most."""
    recipe, num = first.recipe, first.num_seeds
    alike = f"{first.error_correlation.value:.0%} of the {name} of {recipe} is common to its seeds"
    if first.saved.low <= 0:
        return [
            f"no further seed is shown to help, only networks that err differently can: {alike}"
        ]
    one = f"{first.loss.value:{_form(first.loss)}}"
    return [
        f"one more seed of {recipe} helps most: added to the mean of the best {len(best_mean)} "
        f"members, it would lower the {name} by {_shown(first.saved)}",
        f"{alike}: the {name} is {one} for one, would be {_shown(first.twice)} "
        f"for the mean of {2 * num}, and {_shown(first.limit)} for that of any number",
    ]


def _negative(found: Estimate) -> Estimate:
    return Estimate(-found.value, -found.high, -found.low, found.num_samples)


def _shown(found: Estimate) -> str:
    form = _form(found)
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _form(found: Estimate) -> str:
    return ".4f" if max(abs(found.low), abs(found.high)) >= LEAST_SHOWN else ".2g"


def _addition(
    recipe: str,
    members: list[str],
    errors: Errors,
    best_mean: tuple[str, ...],
    bootstrap: Bootstrap,
) -> Addition:
    num = len(members)
    total = np.sum([errors[member] for member in members], axis=0)
    own = np.sum([_product(errors[m], errors[m]) for m in members], axis=0) / num
    alike = (_product(total, total) / num - own) / (num - 1)
    pool, size = np.sum([errors[member] for member in best_mean], axis=0), len(best_mean)
    loss = _product(pool, pool) / size**2
    # The product of a new seed's error with that of each member that it joins.
    with_new = np.zeros_like(loss)
    for member in best_mean:
        others = total - errors[member] if member in members else total
        with_new += _product(errors[member], others) / (num - (member in members))
    grown = (loss * size**2 + 2 * with_new + own) / (size + 1) ** 2
    return Addition(
        recipe,
        num,
        _estimate(own, bootstrap),
        _ratio(alike, own, bootstrap),
        _estimate(alike + (own - alike) / (2 * num), bootstrap),
        _estimate(alike, bootstrap),
        _estimate(loss - grown, bootstrap),
    )


def _product(first: Float[np.ndarray, "n e"], second: Float[np.ndarray, "n e"]) -> PerSample:
    return np.asarray(np.einsum("ne,ne->n", first, second), np.float64)


def _estimate(figure: PerSample, bootstrap: Bootstrap) -> Estimate:
    return _measured(Metric(lambda *_: figure[:, None], mean, False), figure, bootstrap)


def _ratio(part: PerSample, whole: PerSample, bootstrap: Bootstrap) -> Estimate:
    table = np.stack([part, whole], axis=1)
    share = Metric(lambda *_: table, lambda sums, _: sums[:, 0] / sums[:, 1], False)
    return _measured(share, part, bootstrap)


def _measured(metric: Metric, figure: PerSample, bootstrap: Bootstrap) -> Estimate:
    nobody = SystemOutput(figure, figure)
    return bootstrap.estimates({"figure": metric}, nobody, figure)["figure"]
