"""Targets and weights for a loss that treats every logit as a yes or a no."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

Targets = Int[Tensor, " n"] | Bool[Tensor, "n k"] | Float[Tensor, "n k"]


def as_labels(targets: Targets, logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Return one target in 0..1 per logit. Classes 0 and 1 are the targets of a single logit."""
    return targets.view_as(logits).to(logits.dtype)


def label_weights(
    class_weights: Float[Tensor, " c"] | None, labels: Float[Tensor, "n k"]
) -> Float[Tensor, "n k"] | None:
    """Return the weight of each target: by its label, or by its class if there is one logit."""
    if class_weights is None:
        return None
    weights = class_weights.to(labels)
    if len(weights) == labels.shape[1]:
        return weights.expand_as(labels)
    absent, present = weights
    by_class: Tensor = absent + labels * (present - absent)
    return by_class
