"""Systems of small random networks, for tasks of each kind."""

from typing import Any

import numpy as np
import torch

from pipeline.config.prediction import Views
from pipeline.core.artifacts import Card
from pipeline.core.component import load, make
from pipeline.core.kind import Kind
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.models.network import Network
from pipeline.prediction.predictor import Predictor
from tests.ensembling.pools import pool

CPU = torch.device("cpu")
SHAPE = (9, 8, 3)
SCALE = ((10.0, -5.0), (2.0, 0.5))
DECISIONS: dict[Kind, Decision] = {
    "classes": Decision("most_probable"),
    "labels": Decision("thresholds", (0.4, 0.5, 0.6)),
    "values": Decision("values", half_widths=(1.5, 0.25)),
}


def card(task: str, shape: tuple[int, int, int] = SHAPE) -> Card:
    """Return a card of three classes or labels, of two for a binary task, or of two values."""
    classes = ("a", "b", "c")[: 3 if task in ("multiclass", "multilabel") else 2]
    statistics = (0.4,) * shape[2], (0.2,) * shape[2]
    scale = SCALE if task == "regression" else ()
    return Card(classes, shape, "crop", 1, {}, *statistics, "", scale)


def network(model: Any, task: str, seed: int = 0, own: Card | None = None) -> Network:
    """Return a network whose answers differ from image to image."""
    own = own or card(task)
    num_outputs = load("task", make("task", task)).num_outputs(len(own.classes))
    made = Network.create(model, own, own.image_shape, num_outputs, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in made.parameters():
            weights.add_(0.05 * torch.randn(weights.shape, generator=generator))
        made.train()(torch.from_numpy(images(32, own.image_shape)))  # statistics of batch norm
    return made.eval()


def images(num: int, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(num).integers(0, 256, (num, *shape), np.uint8)


def members(task: str, num_folds: int = 1, **test_time: Any) -> dict[str, Predictor]:
    """Return two members of different architectures."""
    models = {"a": make("model", "cnn", widths=(4, 4)), "b": make("model", "resnet", widths=(4,))}
    return {
        name: Predictor([network(m, task, s) for s in range(num_folds)], CPU, Views(**test_time))
        for name, m in models.items()
    }


def combiner(task: str, names: tuple[str, ...] = ("a", "b")) -> Combiner:
    """Return a weighted mean of members, calibrated where that has a form."""
    kind: Kind = make("task", task).KIND  # type: ignore[attr-defined]
    weights = np.linspace(1, 2, len(names))
    states = [{"weights": weights / weights.sum()}]
    calibrations = {"none": [{}], "temperature": [{"temperature": np.array(0.7)}]}
    calibrator = "none" if kind == "values" else "temperature"
    decision = Decision("thresholds", (0.45,)) if task == "binary" else DECISIONS[kind]
    own_type = PredictionType(kind, card(task).target_scale)
    return Combiner("mean", names, states, calibrator, calibrations, own_type, decision)


def expected(of: Combiner, own: dict[str, Predictor], task: str, seen: np.ndarray) -> np.ndarray:
    """Return the predictions of the packaged model."""
    module, scale = load("task", make("task", task)), card(task).target_scale
    return of({m: module.predictions(own[m].logits(seen), *scale) for m in of.members})


def log_probs(logits: np.ndarray) -> np.ndarray:
    return load("task", make("task", "multiclass")).predictions(logits)


def predictions(kind: Kind, sample_axis: int, seed: int) -> np.ndarray:
    """Return those of four members, or of one without an axis of its own, some of them tied."""
    made = pool(kind, 4, seed=seed)[0]
    if kind == "classes":
        made[:, 3] = -np.log(5)
        made[1, 4] = np.log([0.3, 0.3, 0.2, 0.1, 0.1])
    return made if sample_axis else made[0]
