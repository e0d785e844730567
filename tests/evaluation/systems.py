"""Synthetic systems of every kind of task, whose quality is known."""

import numpy as np
from scipy.special import log_softmax

from pipeline.core.kind import Kind
from pipeline.ensembling.decisions import Decision
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Bootstrap
from pipeline.evaluation.metrics import headline, metrics
from pipeline.evaluation.outputs import SystemOutput

KINDS: tuple[Kind, ...] = ("classes", "labels", "values")
NAMES = ("ant", "bee", "cat")
SCALE = ((1.0, 10.0, 0.0), (2.0, 5.0, 1.0))
"""Mean and standard deviation of the values."""


def make_targets(kind: Kind, num_samples: int, seed: int = 0) -> np.ndarray:
    """Three classes, labels or values."""
    generator = np.random.default_rng(seed)
    if kind == "classes":
        return generator.integers(0, 3, num_samples)
    if kind == "labels":
        return generator.random((num_samples, 3)) < 0.4
    mean, std = SCALE
    return generator.normal(mean, std, (num_samples, 3))


def make_predictions(kind: Kind, targets: np.ndarray, skill: float, seed: int) -> np.ndarray:
    """Of a system that errs on its own; the higher `skill`, the less."""
    generator = np.random.default_rng(seed)
    if kind == "values":
        noise = generator.normal(size=targets.shape) * np.array(SCALE[1]) / skill
        return targets + noise
    true = np.eye(3)[targets] if kind == "classes" else np.stack([~targets, targets], axis=-1)
    return log_softmax(skill * true + generator.normal(size=true.shape), axis=-1)


def answer(kind: Kind, predictions: np.ndarray) -> SystemOutput:
    """By the likeliest outcome."""
    rules = {
        "classes": Decision("most_probable"),
        "labels": Decision("thresholds", (0.5,) * 3),
        "values": Decision("values", half_widths=(1.0, 1.0, 1.0)),
    }
    widths = np.ones(3) if kind == "values" else None
    return SystemOutput(predictions, rules[kind](predictions), widths)


def make_system(kind: Kind, targets: np.ndarray, skill: float, seed: int) -> SystemOutput:
    return answer(kind, make_predictions(kind, targets, skill, seed))


def make_evaluator(
    kind: Kind, targets: np.ndarray, groups: np.ndarray | None = None, num_draws: int = 200
) -> Evaluator:
    if groups is None:
        groups = np.arange(len(targets))
    return Evaluator(
        kind=kind,
        names=NAMES,
        ids=np.array([f"id_{i}" for i in range(len(targets))]),
        targets=targets,
        groups=groups,
        weights=np.ones(len(targets)),
        metrics=metrics(kind, 3, num_bins=10, top_k=3, costs=None, positive=None),
        headline=headline(kind, 3, "half", None),
        bootstrap=Bootstrap(groups, np.ones(len(groups)), num_draws, 0.95, seed=0),
        confidence=0.95,
        margin=None if kind == "values" else 0.01,
    )
