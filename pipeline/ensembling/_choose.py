"""Which method to deploy, decided on validation alone."""

import numpy as np
from jaxtyping import Float, Int

from pipeline.component import Component, load, resolve

NUM_FOLDS = 5


def fit(
    method: Component,
    log_probs: Float[np.ndarray, "m n k"],
    targets: Int[np.ndarray, " n"],
) -> Float[np.ndarray, " m"]:
    """The method's weights for the members, fitted on these predictions."""
    module, own = resolve("method", method)
    weights: np.ndarray = module.fit(own, log_probs, targets)
    return weights


def cross_validated(
    method: Component,
    log_probs: Float[np.ndarray, "m n k"],
    targets: Int[np.ndarray, " n"],
) -> float:
    """Mean log-loss of the method on samples it was not fitted on.

    A method that fits many weights looks best on the samples it saw; this is what compares it
    fairly with one that fits none. Folds are every fifth sample, the same for every method.
    """
    fold_of = np.arange(len(targets)) % NUM_FOLDS
    combine = load("method", method).combine
    losses = []
    for fold in range(NUM_FOLDS):
        seen, held_out = fold_of != fold, fold_of == fold
        weights = fit(method, log_probs[:, seen], targets[seen])
        losses.append(mean_log_loss(combine(weights, log_probs[:, held_out]), targets[held_out]))
    return float(np.mean(losses))


def mean_log_loss(log_probs: Float[np.ndarray, "n k"], targets: Int[np.ndarray, " n"]) -> float:
    """In nats."""
    return float(-log_probs[np.arange(len(targets)), targets].mean())
