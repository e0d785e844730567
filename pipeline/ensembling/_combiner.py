"""A fitted ensemble, as plain JSON."""

from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pipeline.artifacts import read_json, write_json


@dataclass(frozen=True)
class Combiner:
    """A method and one weight a member; weights are ≥ 0 and add up to 1."""

    method: str
    weights: dict[str, float]

    def __call__(self, log_probs: dict[str, Float[np.ndarray, "n k"]]) -> Float[np.ndarray, "n k"]:
        """Log-probabilities of the ensemble from those of (at least) its members."""
        module = import_module(f"pipeline.ensembling.{self.method}")
        stacked = np.stack([log_probs[name] for name in self.weights])
        combined: np.ndarray = module.combine(np.array(list(self.weights.values())), stacked)
        return combined

    @property
    def members(self) -> list[str]:
        """Those that count: a weight of zero needs no prediction."""
        return [name for name, weight in self.weights.items() if weight > 0]

    def without_idle(self) -> "Combiner":
        return Combiner(self.method, {name: self.weights[name] for name in self.members})

    def save(self, path: Path) -> None:
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Combiner":
        return cls(**read_json(path))
