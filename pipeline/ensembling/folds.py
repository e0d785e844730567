"""Divide validation into folds that keep units whole."""

import numpy as np
from jaxtyping import Int

from pipeline.core.errors import UserError


def folds(units: Int[np.ndarray, " n"], num_folds: int, seed: int) -> Int[np.ndarray, " n"]:
    """Assign samples to folds at random; the samples of a unit share a fold.

    Raises:
        UserError: there is only one unit.
    """
    present, place = np.unique(units, return_inverse=True)
    if len(present) == 1:
        raise UserError(
            f"validation: got {len(units)} samples of one group; allowed two groups or more, so "
            "that ensembles are evaluated on samples they were not fitted on; validate on more "
            "data"
        )
    order = np.random.default_rng(seed).permutation(len(present))
    fold_of: np.ndarray = order[place] % num_folds
    return fold_of


def inner_folds(units: Int[np.ndarray, " n"], num_folds: int, seed: int) -> Int[np.ndarray, " n"]:
    """Assign the samples of one fit to folds; a single unit is divided too, for want of others."""
    is_one = len(np.unique(units)) == 1
    return folds(np.arange(len(units)) if is_one else units, num_folds, seed)
