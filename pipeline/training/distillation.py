"""What a student learns from the ensemble, beside the labels: its teacher's targets.

The teacher predicts each sample without having learned from it: its members by networks of the
other folds, its weights and its calibration by cross-fitting on the rest of validation. Such a
teacher passes on no label that it knows by heart (T. Dao, G. Kamath, V. Syrgkanis and L. Mackey,
Knowledge Distillation as Semiparametric Inference, 2021). A student is one network, whose
validation fold is the first: it sees neither the labels of that fold nor the teacher's predictions
of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from pipeline.config.distillation import Student
from pipeline.core.artifacts import OutOfFold, rows_of
from pipeline.core.errors import UserError
from pipeline.losses.shared.batch import widened

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Teacher:
    """What one student is taught."""

    targets: Float[np.ndarray, "n *k"]
    """For each training sample in turn, what a loss takes in place of its label."""
    student: Student


def teacher_of(held_out: OutOfFold, ids: np.ndarray, activation: str, student: Student) -> Teacher:
    """Return the teacher of samples, which are found by their ids.

    Args:
        held_out: the out-of-fold predictions of one system, the ensemble.
        activation: how the task interprets logits, see pipeline.tasks.

    Raises:
        UserError: the ensemble has not predicted a sample.
    """
    unknown = np.setdiff1d(ids, held_out.ids)
    if len(unknown):
        raise UserError(
            f"{len(unknown)} training samples, such as {unknown[0]}, have no out-of-fold "
            "prediction of the ensemble; run `dvc repro ensemble`"
        )
    (predicted,) = held_out.systems.values()
    taken = predicted[rows_of(held_out.ids, ids)]
    if activation == "identity":
        return Teacher(taken, student)
    soft = softened(taken, student.temperature)
    if activation == "sigmoid":  # a logit is for the second of two: a label's presence, or a class
        soft = soft[..., 1] if soft.ndim == 3 else soft[:, 1:]
    return Teacher(soft.astype(np.float32), student)


def softened(log_probs: Float[np.ndarray, "*n k"], temperature: float) -> Float[np.ndarray, "*n k"]:
    """Return the probabilities at a temperature: the softmax of the logarithms, divided by it."""
    scaled = (log_probs - log_probs.max(axis=-1, keepdims=True)) / temperature
    odds = np.exp(scaled)
    probs: np.ndarray = odds / odds.sum(axis=-1, keepdims=True)
    return probs


def tempered(loss: Loss, temperature: float) -> Loss:
    """Divide logits by a temperature, and multiply the loss by its square: Hinton et al., 2015."""
    if temperature == 1:
        return loss

    def of_tempered(logits: Tensor, targets: Tensor) -> Tensor:
        return temperature**2 * loss(widened(logits) / temperature, targets)

    return of_tempered
