"""Metrics of a run, written to files that are part of the artifact; imports nothing heavy.

`run.json` describes the run, `metrics.jsonl` holds one metric per line. Neither holds a time or
an id, so the same work writes the same bytes. A `Follower` mirrors them to MLflow while the stage
runs; `python -m pipeline sync` does so at any later time.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from pipeline.core.files import read_json, write_json
from pipeline.core.paths import SCRATCH

LAST = ("package", "report")  # after these stages, MLflow is synchronised with all artifacts
RUN_FILE, METRICS_FILE = "run.json", "metrics.jsonl"
ADOPTED = "convoy.adopted"
"""Begins the tags of entries whose code has changed since they ran, see `convoy adopt`."""
GRACE_S = 4.0  # how long the last stages wait for a tracking server, and any stage that fails
LOCAL_GRACE_S = 600.0  # the same for a local database, which nothing but a busy machine delays
INTERRUPT_GRACE_S = 3.0  # the same after an interrupt


class Figure(NamedTuple):
    """One line of the spool."""

    name: str
    value: float
    step: int


def nested_run(parent: dict[str, Any], name: str, identity: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a run inside another one."""
    return {
        "name": f"{parent['name']}/{name}",
        "stage": parent["stage"],
        "key": name,
        "fingerprint": f"{parent['fingerprint']}/{name}",
        "outs": [],
        **identity,
    }


class Spool:
    """Writes one run; a nested folder is a nested run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, name: str, identity: dict[str, Any]) -> None:
        """Begin the run: `name` is shown in MLflow, `identity` holds at least `fingerprint`."""
        self.begin({"name": name, **identity})

    def begin(self, run: dict[str, Any]) -> None:
        """Begin the run that `run.json` is to describe."""
        write_json(self.folder / RUN_FILE, run)
        (self.folder / METRICS_FILE).touch()

    def nested(self, name: str, identity: dict[str, Any]) -> "Spool":
        """Return a run inside this one: a trial of a search, or a system of an evaluation.

        Its fingerprint combines this run's fingerprint and its own name.
        """
        child = Spool(self.folder / name)
        child.begin(nested_run(read_json(self.folder / RUN_FILE), name, identity))
        return child

    def show(self, source: "Spool", name: str = "") -> None:
        """Show what is written elsewhere: a nested run, or without a name the metrics of this one.

        Copying the folder of this run copies it.
        """
        (source.folder / METRICS_FILE).parent.mkdir(parents=True, exist_ok=True)
        (source.folder / METRICS_FILE).touch()
        if name:
            (self.folder / name).symlink_to(source.folder.resolve())
        else:
            (self.folder / METRICS_FILE).unlink()
            (self.folder / METRICS_FILE).symlink_to((source.folder / METRICS_FILE).resolve())

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the run."""
        tags: dict[str, str] = read_json(self.folder / RUN_FILE).get("tags", {})
        return tags

    def tag(self, tags: Mapping[str, str]) -> None:
        """Add tags that describe the run beyond its parameters."""
        run = read_json(self.folder / RUN_FILE)
        unfinished = self.folder / f"{RUN_FILE}.part"  # a follower may be reading
        write_json(unfinished, {**run, "tags": {**run.get("tags", {}), **tags}})
        unfinished.replace(self.folder / RUN_FILE)

    def record(self, figures: Mapping[str, float | int], step: int = 0) -> None:
        """Append metrics; only one process may call this at a time."""
        lines = [json.dumps(Figure(k, float(v), step)._asdict()) for k, v in figures.items()]
        with (self.folder / METRICS_FILE).open("a") as file:
            file.write("".join(line + "\n" for line in lines))

    def rewrite(self, figures: Sequence[Figure]) -> None:
        """Replace all metrics by these."""
        unfinished = self.folder / f"{METRICS_FILE}.part"  # a follower may be reading
        unfinished.write_text("".join(json.dumps(f._asdict()) + "\n" for f in figures))
        unfinished.replace(self.folder / METRICS_FILE)

    def figures(self) -> list[Figure]:
        """Return all complete lines; a torn last line from a writer that was killed is omitted."""
        text = (self.folder / METRICS_FILE).read_text()
        whole = text[: text.rfind("\n") + 1]
        return [Figure(**json.loads(line)) for line in whole.splitlines()]


class Follower:
    """A process that mirrors a spool to MLflow, so that no server can hold up a stage.

    It learns over its standard input that the stage has ended. If that closes without a message,
    the stage was killed, and the follower marks the run accordingly and exits. A stage that has
    succeeded does not wait for it, so that the next one can begin; the last ones do, and with them
    `dvc repro`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> "Follower":
        command = [sys.executable, "-m", "pipeline.tracking.follow", str(self._folder)]
        # In a group of its own, Ctrl-C reaches the stage alone, which decides when to stop.
        # Without the output of the stage, it does not hold up whoever reads that to its end.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            process_group=0,
        )
        self._last_word, self._is_awaited = "FAILED", True
        return self

    def finish(self, folder: Path) -> None:
        """Tell the follower that the stage is done and its spool has moved to `folder`."""
        self._last_word, self._is_awaited = f"FINISHED {folder}", folder.name in LAST

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        is_interrupted = kind is not None and not issubclass(kind, Exception)
        stdin = self._process.stdin
        assert stdin
        with suppress(BrokenPipeError), stdin:
            stdin.write("KILLED" if is_interrupted else self._last_word)
        if not is_interrupted and not self._is_awaited:
            return
        try:
            self._process.wait(INTERRUPT_GRACE_S if is_interrupted else _grace_s())
        except subprocess.TimeoutExpired:
            if is_interrupted:
                self._process.kill()
            goes_on = "" if is_interrupted else "the mirror goes on meanwhile, and "
            caught_up = f"{goes_on}`convoy sync` catches up with what is missing"
            warn_once(self._folder, f"tracking: the server is slow; {caught_up}")


def warn_once(folder: Path, message: str) -> None:
    """Print a message about the mirror of a run, unless the stage or its follower has done so."""
    path = _warned(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.open("x").close()
        print(message, file=sys.stderr)


def forget_warning(folder: Path) -> None:
    """Remove the mark of a warning, after which nobody warns any more."""
    _warned(folder).unlink(missing_ok=True)


def _warned(folder: Path) -> Path:
    return SCRATCH / "warned" / folder.parent.name


def _grace_s() -> float:
    """Return how long a stage that is done waits for its mirror."""
    address = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite"
    return LOCAL_GRACE_S if address.startswith("sqlite") else GRACE_S
