"""Fit one system on validation, and judge it on samples that it was not fitted on.

A method that fits many weights looks best on the samples it saw. So validation is cut into folds,
by group: what a system says of a fold comes from a fit on the others. Calibrators are then chosen
in the same way on these predictions. (J. Friedman et al., The Elements of Statistical Learning,
2009, section 7.10.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from pipeline.component import Component, resolve
from pipeline.decision import Decision
from pipeline.ensembling._combiner import Combiner
from pipeline.errors import UserError
from pipeline.space import Space

Decide = Callable[[np.ndarray], Decision]
"""From predictions of validation to how to answer."""


@dataclass(frozen=True)
class Validation:
    """What all systems are fitted on."""

    space: Space
    targets: np.ndarray
    folds: Int[np.ndarray, " n"]
    """Where the samples are when systems are judged."""
    calibrators: Sequence[Component]
    decide: Decide


@dataclass(frozen=True)
class Fitted:
    """One system, and how good it is on samples it was not fitted on."""

    combiner: Combiner
    held_out: np.ndarray
    """Its calibrated predictions of validation, each from a fit without the sample."""
    losses: dict[str, np.ndarray]
    """Of these, a sample; with each calibrator."""

    @property
    def loss(self) -> float:
        """With the calibrator that was chosen."""
        return float(self.losses[self.combiner.calibrator].mean())


def fit(
    method: Component, members: Sequence[str], predictions: np.ndarray, val: Validation
) -> Fitted:
    """Fit a method on the predictions of `members`, and the calibrator that suits it best.

    Args:
        predictions: of validation; the first axis is that of the members.
    """
    module, own = resolve("method", method)
    space = val.space

    def predicted(seen: np.ndarray, unseen: np.ndarray) -> np.ndarray:
        states = space.fit(module, own, predictions[:, seen], val.targets[seen])
        return space.apply(module, states, predictions[:, unseen])

    combined = _held_out(predicted, val.folds)
    calibrated = {c.name: _calibrated(c, combined, val) for c in val.calibrators}
    losses = {name: space.losses(made, val.targets) for name, made in calibrated.items()}
    chosen = min(losses, key=lambda name: losses[name].mean())
    combiner = Combiner(
        method=method.name,
        members=tuple(members),
        states=space.fit(module, own, predictions, val.targets),
        calibrator=chosen,
        calibrations={
            c.name: space.fit(*resolve("calibrator", c), combined, val.targets)
            for c in val.calibrators
        },
        space=space,
        decision=val.decide(calibrated[chosen]),
    )
    return Fitted(combiner, calibrated[chosen], losses)


def folds(groups: Sequence[str], num_folds: int, seed: int) -> Int[np.ndarray, " n"]:
    """A fold for each sample. A group shares its fold; without a name, a sample is a group.

    Raises:
        UserError: there is but one group.
    """
    own = [group or f"\n{place}" for place, group in enumerate(groups)]
    names, group_of = np.unique(own, return_inverse=True)
    if len(names) == 1:
        raise UserError(
            f"validation: got {len(groups)} samples of one group; allowed two groups or more, so "
            "that ensembles are judged on samples they were not fitted on; validate on more data"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of: np.ndarray = order[group_of] % num_folds
    return fold_of


def _held_out(
    predicted: Callable[[np.ndarray, np.ndarray], np.ndarray], folds: Int[np.ndarray, " n"]
) -> np.ndarray:
    """What `predicted(seen, unseen)` says of each fold when it has seen the others."""
    parts = {fold: predicted(folds != fold, folds == fold) for fold in np.unique(folds)}
    first = next(iter(parts.values()))
    made = np.empty((len(folds), *first.shape[1:]))
    for fold, part in parts.items():
        made[folds == fold] = part
    return made


def _calibrated(calibrator: Component, combined: np.ndarray, val: Validation) -> np.ndarray:
    module, own = resolve("calibrator", calibrator)

    def predicted(seen: np.ndarray, unseen: np.ndarray) -> np.ndarray:
        states = val.space.fit(module, own, combined[seen], val.targets[seen])
        return val.space.apply(module, states, combined[unseen])

    return _held_out(predicted, val.folds)
