"""What passes between stages, with shapes, and where it lies.

`Layout` names every file once; stages read through `Layout(Path())` and write through the
layout of their staging folder.
"""

import csv
import json
import os
from collections.abc import Iterable
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

    @property
    def soups(self) -> Path:
        return self.root / "artifacts/soups"

    def soup(self, name: str) -> Path:
        return self.soups / name

    def predictions(self, member: str, split: str) -> Path:
        return self.root / "artifacts/predictions" / member / f"{split}.npz"

    def cost(self, member: str) -> Path:
        return self.root / "artifacts/predictions" / member / "cost.json"

    @property
    def ensemble(self) -> Path:
        return self.root / "artifacts/ensemble"

    def system(self, name: str) -> Path:
        """The combiner of a member or an ensemble."""
        return self.ensemble / "systems" / f"{name}.json"

    @property
    def held_out(self) -> Path:
        return self.ensemble / "held_out.npz"

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
    def tables(self) -> Path:
        return self.root / "reports/tables"

    @property
    def compared(self) -> Path:
        """Comparisons of states; no output of a stage."""
        return self.root / "reports/compare"

    @property
    def latency(self) -> Path:
        """Measured by a command; no output of a stage, as it is a time."""
        return self.root / "reports/latency.csv"

    @property
    def inspection(self) -> Path:
        return self.root / "artifacts/inspection"

    @property
    def report(self) -> Path:
        return self.root / "reports/index.html"

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


class Cost(NamedTuple):
    """What a member takes, or an ensemble of several, with the networks of all folds."""

    num_parameters: int
    num_bytes: int
    """Of the weights."""
    multiply_adds: int
    """For one image."""

    @classmethod
    def total(cls, parts: Iterable["Cost"]) -> "Cost":
        return cls(*map(sum, zip(*parts, strict=True)))


@dataclass(frozen=True)
class Samples:
    """What is known of each sample beside its image: the table that preprocessing wrote."""

    columns: dict[str, list[str]]
    """By the table's heading, in its order: id, fold, group, height_px, width_px, brightness,
    contrast, and what the source knew."""

    @property
    def groups(self) -> list[str]:
        """Samples of one group stay together; an empty name is a group of its own."""
        return self.columns["group"]

    def of(self, ids: np.ndarray) -> "Samples":
        """The rows of these samples, in this order."""
        rows = rows_of(self.columns["id"], ids)
        return Samples({name: [column[r] for r in rows] for name, column in self.columns.items()})

    @classmethod
    def load(cls, folder: Path) -> "Samples":
        """From `data/processed/trainval` or `test`."""
        with (folder / "samples.csv").open(newline="", encoding="utf-8") as file:
            heading, *rows = csv.reader(file)
        return cls({name: [row[i] for row in rows] for i, name in enumerate(heading)})


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

    def take(self, rows: Int[np.ndarray, " r"]) -> "Pool":
        """Some of the samples, in this order."""
        return self._replace(
            ids=self.ids[rows], logits=self.logits[:, rows], targets=self.targets[rows]
        )


@dataclass(frozen=True)
class HeldOut:
    """What every system says of validation: each sample from a fit that did not see it."""

    ids: np.ndarray
    targets: np.ndarray
    systems: dict[str, np.ndarray]
    """Calibrated predictions, see pipeline.space."""

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        named = {f"system {name}": made for name, made in self.systems.items()}
        np.savez(path, ids=self.ids, targets=self.targets, **named)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> "HeldOut":
        with np.load(path) as held:
            names = [key for key in held if key.startswith("system ")]
            systems = {name.removeprefix("system "): held[name] for name in names}
            return cls(held["ids"], held["targets"], systems)


def rows_of(ids: Iterable[str], wanted: Iterable[str]) -> Int[np.ndarray, " w"]:
    """Where each of the wanted samples stands."""
    row_of = {str(id_): row for row, id_ in enumerate(ids)}
    return np.array([row_of[str(id_)] for id_ in wanted], np.intp)


def write_json(path: Path, tree: Any) -> None:
    """Write sorted, indented JSON: the same tree is the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file as a whole or not at all, and to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")  # several may write at once
    with unfinished.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


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
