"""Weigh samples so that classes have the shares of the population that figures are meant for.

Where shares of classes alone differ between the data and that population, each sample counts as its
class's share there over its share here: M. Saerens, P. Latinne and C. Decaestecker, Adjusting the
Outputs of a Classifier to New a Priori Probabilities, 2002.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pipeline.config.ensembling import ClassShares
from pipeline.core.errors import UserError


def weights(
    shares: ClassShares, classes: Sequence[str], targets: np.ndarray, split: str
) -> Float[np.ndarray, " n"]:
    """Return how much each sample counts; the mean is 1.

    Args:
        shares: one for each class; see `pipeline.config.class_names`.
        split: what the samples are called in messages.

    Raises:
        UserError: a class with a share has no sample.
    """
    if shares == "as_found":
        return np.ones(len(targets))
    wanted, counts = _wanted(shares, classes), np.bincount(targets, minlength=len(classes))
    for name, share, count in zip(classes, wanted, counts, strict=True):
        if share and not count:
            raise UserError(
                f"ensemble.class_shares: got a share of {share:g} for {name}, but {split} has no "
                "sample of it; allowed 0, or as_found"
            )
    of_class = np.divide(wanted * len(targets), counts, out=np.zeros(len(counts)), where=counts > 0)
    made: np.ndarray = of_class[targets]
    return made


def _wanted(shares: ClassShares, classes: Sequence[str]) -> Float[np.ndarray, " k"]:
    if isinstance(shares, str):
        return np.full(len(classes), 1 / len(classes))
    return np.array([shares[name] for name in classes])
