"""Members of known quality, for tasks of each kind."""

import numpy as np
from scipy.special import log_softmax

from pipeline.core.component import load, make, names, schema
from pipeline.core.kind import Kind
from pipeline.ensembling.prediction_type import PredictionType, State
from pipeline.ensembling.truth import Truth

SCALE = ((10.0, -5.0), (2.0, 0.5))
ACTIVATION: dict[Kind, str] = {"classes": "softmax", "labels": "sigmoid", "values": "identity"}


def cases(family: str) -> list[tuple[str, Kind]]:
    """Return every component of a family with each kind of task that it has a form for."""
    return [
        (name, kind)
        for name in names(family)
        for kind, activation in ACTIVATION.items()
        if activation in schema(family, name).ACTIVATIONS
    ]


CASES = cases("method")


def prediction_type(kind: Kind) -> PredictionType:
    return PredictionType(kind, SCALE if kind == "values" else ())


def pool(
    kind: Kind, num_members: int = 3, size: int = 200, *, seed: int = 0, skill: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return members that know the targets equally well and err independently."""
    rng = np.random.default_rng(seed)
    if kind == "classes":
        targets = rng.integers(0, 5, size)
        logits = skill * np.eye(5)[targets] + rng.normal(size=(num_members, size, 5))
        return distributions(logits), targets
    if kind == "labels":
        present = rng.random((size, 3)) < 0.4
        odds = skill * (2 * present - 1) + 2 * rng.normal(size=(num_members, size, 3))
        return labelled(odds), present
    targets = rng.normal(size=(size, 2)) * SCALE[1] + SCALE[0]
    return targets + rng.normal(size=(num_members, size, 2)) * SCALE[1] / 2, targets


def distributions(logits: np.ndarray) -> np.ndarray:
    return log_softmax(logits, axis=-1)


def labelled(odds: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0, np.stack([odds, -odds], axis=-1))


def fitted(
    name: str, kind: Kind, table: np.ndarray, targets: np.ndarray, **settings: object
) -> list[State]:
    own = make("method", name, **settings)
    module = load("method", own)
    return prediction_type(kind).fit(module, own, table, Truth.plain(targets))


def applied(name: str, kind: Kind, states: list[State], table: np.ndarray) -> np.ndarray:
    module = load("method", make("method", name))
    return prediction_type(kind).apply(module, states, table)


def combined(name: str, kind: Kind, table: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return applied(name, kind, fitted(name, kind, table, targets), table)
