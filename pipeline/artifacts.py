"""What passes between stages, with shapes, and where it lies.

`Layout` names every file once; stages read through `Layout(Path())` and write through the
layout of their staging folder.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.component import retuple
from pipeline.errors import UserError

Targets = Int[np.ndarray, " n"] | Bool[np.ndarray, "n k"] | Float[np.ndarray, "n t"]
"""One class an image, a yes or no for each of k labels, or t values in their own units."""
Scale = tuple[tuple[float, ...], tuple[float, ...]] | tuple[()]
"""Mean and std of each value, to give a task's functions as `*scale`; empty but for values."""


@dataclass(frozen=True)
class Layout:
    """The paths of all artifacts under one root."""

    root: Path = Path()

    @property
    def processed(self) -> Path:
        return self.root / "data/processed"

    @property
    def card(self) -> Path:
        return self.processed / "card.json"

    @property
    def trainval(self) -> Path:
        return self.processed / "trainval"

    @property
    def test(self) -> Path:
        return self.processed / "test"

    @property
    def audit(self) -> Path:
        return self.root / "reports/data"

    @property
    def augmentation(self) -> Path:
        return self.root / "artifacts/augmentation"

    def search(self, recipe: str) -> Path:
        return self.root / "artifacts/search" / recipe

    def member(self, name: str) -> Path:
        return self.root / "artifacts/members" / name

    def predictions(self, member: str, split: str) -> Path:
        return self.root / "artifacts/predictions" / member / f"{split}.npz"

    @property
    def ensemble(self) -> Path:
        return self.root / "artifacts/ensemble"

    @property
    def model(self) -> Path:
        return self.root / "artifacts/model"

    @property
    def metrics(self) -> Path:
        return self.root / "reports/metrics"

    @property
    def comparison(self) -> Path:
        return self.root / "reports/comparison.json"

    @property
    def plots(self) -> Path:
        return self.root / "reports/plots"

    @property
    def runs(self) -> Path:
        return self.root / "artifacts/runs"


@dataclass(frozen=True)
class Card:
    """What is known of the packed data. Mean and std are of train, per channel, in 0..1."""

    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    """Height, width, channels."""
    fit: Literal["crop", "pad"]
    """How an image of another aspect is brought to that shape."""
    num_folds: int
    """1 where one part of the data is held out for validation."""
    counts: dict[str, dict[str, int]]
    """Images by split and class."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    target_scale: Scale = ()
    """Of the targets of train, in their own units."""

    def save(self, path: Path) -> None:
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Card":
        return cls(**retuple(read_json(path)))


@dataclass(frozen=True)
class Predictions:
    """The narrow waist: all that ensembling and evaluation need of a member."""

    ids: np.ndarray
    logits: Float[np.ndarray, "n k"]
    """Of a task with values, these standardised."""
    targets: Targets

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, ids=self.ids, logits=self.logits, targets=self.targets)

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        with np.load(path) as held:
            return cls(held["ids"], held["logits"], held["targets"])


class Pool(NamedTuple):
    """The predictions of all members for one split, in the same order of samples."""

    members: list[str]
    ids: np.ndarray
    logits: Float[np.ndarray, "m n k"]
    targets: Targets

    @classmethod
    def gather(cls, predictions: dict[str, Predictions]) -> "Pool":
        """Stack the members.

        Raises:
            UserError: a member has other samples, targets or numbers of logits than the first, or
                a logit that is not finite; it names the member and the first samples.
        """
        first_name, first = next(iter(predictions.items()))
        for name, other in predictions.items():
            _same_samples(name, other, first_name, first)
            bad = ~np.isfinite(other.logits).all(axis=1)
            if bad.any():
                raise UserError(
                    f"member {name}: {bad.sum()} of {len(bad)} predictions are not finite, "
                    f"first {_some(other.ids[bad])}; train it again with a lower lr"
                )
        logits = np.stack([p.logits for p in predictions.values()]).astype(np.float64)
        return cls(list(predictions), first.ids, logits, first.targets)


def write_json(path: Path, tree: Any) -> None:
    """Write sorted, indented JSON: the same tree is the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def _same_samples(name: str, other: Predictions, first_name: str, first: Predictions) -> None:
    if not np.array_equal(other.ids, first.ids):
        differing = np.setxor1d(other.ids, first.ids)
        what = f"other samples, first {_some(differing)}" if len(differing) else "another order"
        raise UserError(f"member {name}: has {what} than {first_name}; predict both again")
    if other.logits.shape != first.logits.shape:
        raise UserError(
            f"member {name}: has {other.logits.shape[1]} logits an image, {first_name} "
            f"{first.logits.shape[1]}; train both on the same data and for the same task"
        )
    if not np.array_equal(other.targets, first.targets):
        pairs = zip(other.targets, first.targets, strict=True)
        differing = first.ids[[not np.array_equal(own, its) for own, its in pairs]]
        raise UserError(
            f"member {name}: other targets than {first_name}, first {_some(differing)}; "
            "predict both again"
        )


def _some(ids: np.ndarray) -> str:
    return ", ".join(map(str, ids[:3]))
