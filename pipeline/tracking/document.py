"""What one run says in MLflow. All of it is made from artifacts, so it can be made again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from pipeline.core.dvcfile import content_hash
from pipeline.core.run_log import METRICS_FILE, Figure, Spool

FINGERPRINT = "convoy.fingerprint"
"""The tag by which a run, a model and a registered version are found again."""
EVERY_STEP_BELOW = 1000
"""From this step on, MLflow gets ever fewer points: a series of a million keeps 6,000."""
AS_CONTENT = ("folder", "begun", "files")
"""Fields that say where contents lie."""


class Dataset(NamedTuple):
    """One part of the data, as a run has read it."""

    name: str
    digest: str
    """DVC's hash of the folder."""
    path: str
    counts: Mapping[str, Mapping[str, int]]
    """Number of images by split and class, or by split and label."""
    num_images: Mapping[str, int]
    """By split; an image may have several labels, or none."""


class Model(NamedTuple):
    """A network or an ensemble that a run has made or measured."""

    name: str
    kind: str
    """`member`, `soup` or `ensemble`."""
    fingerprint: str
    members: tuple[str, ...] = ()
    """The fingerprints of the models that an ensemble combines."""


class File(NamedTuple):
    """An artifact that MLflow shows, and the folder in which it does."""

    path: Path
    folder: str = ""


@dataclass(frozen=True)
class Document:
    """All that one run says."""

    name: str
    fingerprint: str
    """Identifies the run: pushing it again changes the same one."""
    folder: Path
    """The spool that holds its metrics."""
    begun: Path | None = None
    """The file that was written when the run began; null: `run.json` in its folder."""
    parent: str | None = None
    """The fingerprint of the run that it is nested in."""
    status: str = "FINISHED"
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[Dataset, ...] = ()
    measured: Model | None = None
    """The model that its metrics are about; they were measured on the last data set."""
    reads: tuple[Model, ...] = ()
    makes: tuple[Model, ...] = ()
    files: tuple[File, ...] = ()
    outs: tuple[str, ...] = ()
    """The outputs, which DVC stores; MLflow gets their hashes."""

    @property
    def about(self) -> tuple[Model, ...]:
        """The models that it has read or measured."""
        return (*self.reads, *([self.measured] if self.measured else []))

    @cached_property
    def figures(self) -> list[Figure]:
        """The metrics, thinned out where they are many, and the last value of each."""
        found = Spool(self.folder).figures() if (self.folder / METRICS_FILE).is_file() else []
        last = {figure.name: figure for figure in found}
        return [f for f in found if is_shown(f.step) or last[f.name] is f]

    @cached_property
    def digest(self) -> str:
        """The hash of everything that the run says."""
        names = (part.name for part in fields(self) if part.name not in AS_CONTENT)
        held: dict[str, object] = {name: getattr(self, name) for name in names}
        metrics = self.folder / METRICS_FILE
        contents = [metrics, *(file.path for file in self.files)]
        held["contents"] = [content_hash(path) for path in contents if path.exists()]
        return sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


def is_shown(step: int) -> bool:
    """Return whether MLflow gets the metrics of a step: every one at first, then ever fewer."""
    return step % (1 << (step // EVERY_STEP_BELOW).bit_length()) == 0
