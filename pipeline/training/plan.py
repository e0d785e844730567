"""What one fit is made of, as a loop on one device is given it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline import params
from pipeline.artifacts import Scale
from pipeline.component import Component, load
from pipeline.network import Network
from pipeline.training.data import Data
from pipeline.training.optimisers.groups import Block
from pipeline.training.progress import Bar, Lines

Record = Callable[[dict[str, float], int], None]
Loss = Callable[[Tensor, Tensor], Tensor]
Scores = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


@dataclass
class Plan:
    """All that a loop needs beside Fabric."""

    network: Network
    blocks: list[Block]
    """Its parameters, from the image to the classifier."""
    optimizer: torch.optim.Optimizer
    loss: Loss
    scores: Scores
    """Figures a sample, from logits and targets."""
    monitor: str
    """Which of the figures says what epoch is best: lower is better."""
    data: Data
    settings: params.Training
    seed: int
    record: Record
    progress: Bar | Lines
    folder: Path
    """Where checkpoints are; what lies there is gone on from."""


def scores_of(task: Component, scale: Scale) -> Scores:
    """What a task watches."""
    rules = load("task", task)

    def scores(logits: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        predictions = rules.predictions(logits, *scale)
        made: dict[str, np.ndarray] = rules.scores(predictions, targets, *scale)
        return made

    return scores
