"""A fitted system, member or ensemble, as plain JSON: combine, calibrate, decide."""

from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.component import FAMILIES, retuple
from pipeline.core.files import read_json, write_json
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.prediction_type import PredictionType, State


@dataclass(frozen=True)
class Combiner:
    """Everything that turns the members' predictions into a system's predictions and decisions."""

    method: str
    members: tuple[str, ...]
    states: list[State]
    """States of the method: one, or one per label."""
    calibrator: str
    """The calibrator that suits the system best."""
    calibrations: dict[str, list[State]]
    """States of every calibrator: one, or one per label."""
    prediction_type: PredictionType
    decision: Decision

    def __call__(self, predictions: dict[str, np.ndarray]) -> np.ndarray:
        """Return the system's calibrated predictions, from those of (at least) its members."""
        stacked = np.stack([predictions[name] for name in self.members])
        method = import_module(f"{FAMILIES['method']}.{self.method}")
        calibrator = import_module(f"{FAMILIES['calibrator']}.{self.calibrator}")
        combined = self.prediction_type.apply(method, self.states, stacked)
        return self.prediction_type.apply(calibrator, self.calibrations[self.calibrator], combined)

    @property
    def heaviest(self) -> str | None:
        """The member with the largest weight; None if the method has no weights."""
        total = self._total_weights
        return None if total is None else self.members[int(total.argmax())]

    def without_idle(self) -> "Combiner":
        """Return the same system without the members whose weight is zero."""
        total = self._total_weights
        if total is None:
            return self
        counted = np.flatnonzero(total)
        states = [{**state, "weights": state["weights"][counted]} for state in self.states]
        return replace(self, members=tuple(self.members[i] for i in counted), states=states)

    @property
    def _total_weights(self) -> np.ndarray | None:
        """Return each member's weight, summed over labels; None if the method has no weights."""
        if any("weights" not in state for state in self.states):
            return None
        return np.asarray(np.sum([state["weights"] for state in self.states], axis=0))

    def save(self, path: Path) -> None:
        write_json(path, _plain(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> "Combiner":
        tree = read_json(path)
        tree["prediction_type"] = PredictionType(**retuple(tree["prediction_type"]))
        tree["decision"] = Decision(**retuple(tree["decision"]))
        tree["states"] = _arrays(tree["states"])
        tree["calibrations"] = {c: _arrays(states) for c, states in tree["calibrations"].items()}
        tree["members"] = tuple(tree["members"])
        return cls(**tree)


def _arrays(states: list[dict[str, Any]]) -> list[State]:
    return [{key: np.array(value) for key, value in state.items()} for state in states]


def _plain(tree: Any) -> Any:
    if isinstance(tree, np.ndarray):
        return tree.tolist()
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    return [_plain(value) for value in tree] if isinstance(tree, list | tuple) else tree
