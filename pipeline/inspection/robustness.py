"""How systems fare under corruptions and attacks: members and the chosen ensemble, side by side."""

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
from pipeline.ensembling._combiner import Combiner
from pipeline.evaluation.answers import Answers
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.yardstick import Yardstick
from pipeline.inspection.corruptions import corrupt
from pipeline.inspection.explain import Goal, Method, attack
from pipeline.params import Corruption
from pipeline.predicting import Member


@dataclass(frozen=True)
class Systems:
    """What is asked under every condition."""

    members: dict[str, Member]
    combiners: dict[str, Combiner]
    predictions: Callable[[np.ndarray], np.ndarray]
    """From logits: the task's."""

    def answers(self, images: UInt8[np.ndarray, "n h w c"]) -> dict[str, Answers]:
        """Of every system."""
        own = {name: self.predictions(m.logits(images)) for name, m in self.members.items()}
        made = {name: combiner(own) for name, combiner in self.combiners.items()}
        return {name: Answers(p, self.combiners[name].decision(p)) for name, p in made.items()}


class Condition(NamedTuple):
    """One system's headline metric under one condition."""

    condition: str
    """A corruption, or an attack and the member whose gradients it uses."""
    strength: float
    """Severity 1..5, or the largest change of a pixel, of 0..1; 0 for images as they are."""
    system: str
    figure: Estimate


def corrupted(
    systems: Systems,
    yardstick: Yardstick,
    images: UInt8[np.ndarray, "n h w c"],
    families: Sequence[Corruption],
    severities: Sequence[int],
) -> Iterator[Condition]:
    """Images as they are, then every family at every severity."""
    keys = sample_keys(yardstick.ids)
    yield from _measured(systems, yardstick, "none", 0.0, images)
    for family in families:
        for severity in severities:
            made = corrupt(images, family, severity, keys)
            yield from _measured(systems, yardstick, family, float(severity), made)


def attacked(
    systems: Systems,
    yardstick: Yardstick,
    images: UInt8[np.ndarray, "n h w c"],
    epsilons: Sequence[float],
    goal: Goal,
) -> Iterator[Condition]:
    """Attacks that know one member, on all systems: what fools one need not fool the others."""
    for name, member in systems.members.items():
        for method in get_args(Method):
            for epsilon in epsilons:
                made = attack(member.networks[0], images, goal, method, epsilon)
                yield from _measured(systems, yardstick, f"{method} on {name}", epsilon, made)


def goal(activation: str, targets: np.ndarray, scale: tuple[tuple[float, ...], ...]) -> Goal:
    """What an attack makes worse: the loss that fits the task's activation."""
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
    """A row a condition and system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["condition", "strength", "system", headline, "low", "high", "num_samples"])
        table.writerows([c.condition, c.strength, c.system, *c.figure] for c in conditions)


def _measured(
    systems: Systems, yardstick: Yardstick, condition: str, strength: float, images: np.ndarray
) -> Iterator[Condition]:
    metric = {yardstick.headline: yardstick.headline_metric}
    for name, answers in systems.answers(images).items():
        figures = yardstick.bootstrap.estimates(metric, answers, yardstick.targets)
        yield Condition(condition, strength, name, figures[yardstick.headline])
