"""The data that passes between stages, with its shapes."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.core.component import retuple
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json

Targets = Int[np.ndarray, " n"] | Bool[np.ndarray, "n k"] | Float[np.ndarray, "n t"]
"""One class index per image, one boolean for each of k labels, or t values in their own units."""
Scale = tuple[tuple[float, ...], tuple[float, ...]] | tuple[()]
"""Mean and std of each value, passed to a task's functions as `*scale`; empty for other tasks."""


@dataclass(frozen=True)
class Card:
    """A description of the packed data. Mean and std are over train, per channel, in 0..1."""

    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    """Height, width, channels."""
    fit: Literal["crop", "pad"]
    """How an image with another aspect ratio is brought to that shape."""
    num_folds: int
    """1 if a single part of the data is held out for validation."""
    counts: dict[str, dict[str, int]]
    """Number of images by split and class."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    target_scale: Scale = ()
    """Mean and std of the training targets, in their own units."""

    @property
    def splits(self) -> list[str]:
        """The splits that have images, in the order in which they are used."""
        return [split for split in ("train", "val", "test") if split in self.counts]

    def save(self, path: Path) -> None:
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Card":
        return cls(**retuple(read_json(path)))


@dataclass(frozen=True)
class Predictions:
    """Predictions of one member: everything that ensembling and evaluation need from it."""

    ids: np.ndarray
    logits: Float[np.ndarray, "n k"]
    """For a regression task, these are standardised values."""
    targets: Targets

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, ids=self.ids, logits=self.logits, targets=self.targets)

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        with np.load(path) as held:
            return cls(held["ids"], held["logits"], held["targets"])


class Cost(NamedTuple):
    """The cost of a member, or of an ensemble of several, including the networks of all folds."""

    num_parameters: int
    num_bytes: int
    """Size of the weights."""
    multiply_adds: int
    """Multiply-adds for one image."""

    @classmethod
    def total(cls, parts: Iterable["Cost"]) -> "Cost":
        return cls(*map(sum, zip(*parts, strict=True)))


@dataclass(frozen=True)
class Samples:
    """The table that preprocessing writes: what is known of each sample besides its image."""

    columns: dict[str, list[str]]
    """Columns by heading, in the table's order: id, fold, group, unit, height_px, width_px,
    brightness, contrast, and the metadata from the source."""

    @property
    def units(self) -> Int[np.ndarray, " n"]:
        """The number of each sample's unit, which no split divides.

        A unit holds the samples of one group, and the copies and near copies of one picture: they
        are no independent evidence.

        Raises:
            UserError: the table lacks the column.
        """
        if "unit" not in self.columns:
            raise UserError(
                "samples.csv: got no column unit, which an older version of Convoy did not write; "
                "run dvc repro on that state"
            )
        return np.unique(self.columns["unit"], return_inverse=True)[1]

    def of(self, ids: np.ndarray) -> "Samples":
        """Return the rows of these samples, in the given order."""
        rows = rows_of(self.columns["id"], ids)
        return Samples({name: [column[r] for r in rows] for name, column in self.columns.items()})

    @classmethod
    def load(cls, folder: Path) -> "Samples":
        """Load from `data/processed/trainval` or `test`."""
        with (folder / "samples.csv").open(newline="", encoding="utf-8") as file:
            heading, *rows = csv.reader(file)
        return cls({name: [row[i] for row in rows] for i, name in enumerate(heading)})


class Pool(NamedTuple):
    """The predictions of all members for one split, with samples in the same order."""

    members: list[str]
    ids: np.ndarray
    logits: Float[np.ndarray, "m n k"]
    targets: Targets

    @classmethod
    def gather(cls, predictions: dict[str, Predictions]) -> "Pool":
        """Stack the predictions of the members.

        Raises:
            UserError: a member differs from the first in its samples, targets or number of logits,
                or has a logit that is not finite; the message names the member and the first
                samples.
        """
        first_name, first = next(iter(predictions.items()))
        for name, other in predictions.items():
            _same_samples(name, other, first_name, first)
            bad = ~np.isfinite(other.logits).all(axis=1)
            if bad.any():
                raise UserError(
                    f"member {name}: {bad.sum()} of {len(bad)} predictions are not finite, such "
                    f"as those for {_some(other.ids[bad])}; train it again with a lower lr"
                )
        logits = np.stack([p.logits for p in predictions.values()]).astype(np.float64)
        return cls(list(predictions), first.ids, logits, first.targets)

    def take(self, rows: Int[np.ndarray, " r"]) -> "Pool":
        """Return the predictions for some of the samples, in the given order."""
        return self._replace(
            ids=self.ids[rows], logits=self.logits[:, rows], targets=self.targets[rows]
        )


@dataclass(frozen=True)
class OutOfFold:
    """Validation predictions of every system, each from a fit that did not see the sample."""

    ids: np.ndarray
    targets: np.ndarray
    systems: dict[str, np.ndarray]
    """Calibrated predictions, see pipeline.ensembling.prediction_type."""

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        named = {f"system {name}": made for name, made in self.systems.items()}
        np.savez(path, ids=self.ids, targets=self.targets, **named)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> "OutOfFold":
        with np.load(path) as held:
            names = [key for key in held if key.startswith("system ")]
            systems = {name.removeprefix("system "): held[name] for name in names}
            return cls(held["ids"], held["targets"], systems)


def rows_of(ids: Iterable[str], wanted: Iterable[str]) -> Int[np.ndarray, " w"]:
    """Return the position of each wanted sample in `ids`."""
    row_of = {str(id_): row for row, id_ in enumerate(ids)}
    return np.array([row_of[str(id_)] for id_ in wanted], np.intp)


def _same_samples(name: str, other: Predictions, first_name: str, first: Predictions) -> None:
    if not np.array_equal(other.ids, first.ids):
        differing = np.setxor1d(other.ids, first.ids)
        what = f"its samples, such as {_some(differing)}" if len(differing) else "sample order"
        raise UserError(f"member {name}: differs from {first_name} in {what}; predict both again")
    if other.logits.shape != first.logits.shape:
        raise UserError(
            f"member {name}: has {other.logits.shape[1]} logits per image, but {first_name} has "
            f"{first.logits.shape[1]}; train both on the same data and for the same task"
        )
    if not np.array_equal(other.targets, first.targets):
        pairs = zip(other.targets, first.targets, strict=True)
        differing = first.ids[[not np.array_equal(own, its) for own, its in pairs]]
        raise UserError(
            f"member {name}: targets differ from those of {first_name}, such as those of "
            f"{_some(differing)}; predict both again"
        )


def _some(ids: np.ndarray) -> str:
    return ", ".join(map(str, ids[:3]))
