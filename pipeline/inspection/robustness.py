"""Robustness of members and the chosen ensemble to corruptions and adversarial attacks."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from pipeline.augmentation.counter import sample_keys
from pipeline.config.evaluation import Corruption
from pipeline.ensembling.combiner import Combiner
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.outputs import SystemOutput
from pipeline.inspection.corruptions import corrupt
from pipeline.inspection.explain import Goal, Method, attack
from pipeline.prediction.predictor import Predictor


@dataclass(frozen=True)
class Systems:
    """The systems that are measured under every condition."""

    members: dict[str, Predictor]
    combiners: dict[str, Combiner]
    predictions: Callable[[np.ndarray], np.ndarray]
    """The task's function from logits to predictions."""

    def outputs(self, images: UInt8[np.ndarray, "n h w c"]) -> dict[str, SystemOutput]:
        """Return the output of every system."""
        own = {name: self.predictions(m.logits(images)) for name, m in self.members.items()}
        made = {name: combiner(own) for name, combiner in self.combiners.items()}
        return {name: SystemOutput(p, self.combiners[name].decision(p)) for name, p in made.items()}


class Condition(NamedTuple):
    """One system's headline metric under one condition."""

    condition: str
    """A corruption, or an attack and the member whose gradients it uses."""
    strength: float
    """Severity 1..5, or the largest change of a pixel, in 0..1; 0 for the original images."""
    system: str
    figure: Estimate


def corrupted(
    systems: Systems,
    evaluator: Evaluator,
    images: UInt8[np.ndarray, "n h w c"],
    families: Sequence[Corruption],
    severities: Sequence[int],
) -> Iterator[Condition]:
    """Measure the systems on the original images, then on every family at every severity."""
    keys = sample_keys(evaluator.ids)
    yield from _measured(systems, evaluator, "none", 0.0, images)
    for family in families:
        for severity in severities:
            made = corrupt(images, family, severity, keys)
            yield from _measured(systems, evaluator, family, float(severity), made)


def attacked(
    systems: Systems,
    evaluator: Evaluator,
    images: UInt8[np.ndarray, "n h w c"],
    epsilons: Sequence[float],
    goal: Goal,
) -> Iterator[Condition]:
    """Attack each member and measure all systems: what fools one need not fool the others."""
    for name, member in systems.members.items():
        for method in get_args(Method):
            for epsilon in epsilons:
                made = attack(member.networks[0], images, goal, method, epsilon)
                yield from _measured(systems, evaluator, f"{method} on {name}", epsilon, made)


def goal(activation: str, targets: np.ndarray, scale: tuple[tuple[float, ...], ...]) -> Goal:
    """Build the goal of an attack: to maximise the loss that fits the task's activation."""
    losses: dict[str, tuple[nn.Module, Callable[[], np.ndarray]]] = {
        "softmax": (nn.CrossEntropyLoss(reduction="none"), lambda: targets),
        "sigmoid": (
            nn.BCEWithLogitsLoss(reduction="none"),
            lambda: targets.reshape(len(targets), -1).astype(np.float32),
        ),
        "identity": (
            nn.MSELoss(reduction="none"),
            lambda: ((targets - scale[0]) / scale[1]).astype(np.float32),
        ),
    }
    loss, truth = losses[activation]
    made: Tensor = torch.from_numpy(truth())
    return Goal(loss, made)


def write(path: Path, conditions: Sequence[Condition], headline: str) -> None:
    """Write one row for each condition and system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["condition", "strength", "system", headline, "low", "high", "num_samples"])
        table.writerows([c.condition, c.strength, c.system, *c.figure] for c in conditions)


def _measured(
    systems: Systems, evaluator: Evaluator, condition: str, strength: float, images: np.ndarray
) -> Iterator[Condition]:
    metric = {evaluator.headline: evaluator.headline_metric}
    for name, outputs in systems.outputs(images).items():
        figures = evaluator.bootstrap.estimates(metric, outputs, evaluator.targets)
        yield Condition(condition, strength, name, figures[evaluator.headline])
