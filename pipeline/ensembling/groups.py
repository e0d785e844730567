"""Samples of one group (patient, scene, burst) are no independent evidence: they stay together."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from pipeline.core.errors import UserError


def numbered(groups: Sequence[str]) -> Int[np.ndarray, " n"]:
    """Number the named groups from 0; a sample without a name becomes a group of its own."""
    own = [group or f"\n{place}" for place, group in enumerate(groups)]
    return np.unique(own, return_inverse=True)[1]


def folds(groups: Sequence[str], num_folds: int, seed: int) -> Int[np.ndarray, " n"]:
    """Assign samples to folds; a group shares a fold.

    Raises:
        UserError: there is only one group.
    """
    group_of = numbered(groups)
    num_groups = int(group_of.max()) + 1
    if num_groups == 1:
        raise UserError(
            f"validation: got {len(groups)} samples of one group; allowed two groups or more, so "
            "that ensembles are evaluated on samples they were not fitted on; validate on more "
            "data"
        )
    order = np.random.default_rng(seed).permutation(num_groups)
    fold_of: np.ndarray = order[group_of] % num_folds
    return fold_of
