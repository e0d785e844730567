"""Small fits for tests: in this process, or in processes of their own as a stage starts them."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from pytest import MonkeyPatch
from safetensors.torch import load_file
from torch import Tensor

from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.config.recipes import Recipe
from pipeline.core import process
from pipeline.core.component import make, schema
from pipeline.core.errors import UserError
from pipeline.core.files import write_json
from pipeline.core.paths import Layout
from pipeline.core.run_log import Spool
from pipeline.execution.fit_process import FitProcess
from pipeline.execution.job import Job
from pipeline.execution.messages import Again
from pipeline.images.packed import Packed
from pipeline.losses import cross_entropy
from pipeline.models.network import Network
from pipeline.training import datamodule
from pipeline.training.callbacks import checkpoints
from pipeline.training.checkpoint import EPOCH, MIDDLE
from pipeline.training.datamodule import Inputs
from pipeline.training.fit import fit
from tests.conftest import forking_python
from tests.training.test_data import inputs

EPOCHS = 3  # of five batches each
MIXED = {"mixup_alpha": 0.3}
Told = list[tuple[int, dict[str, float]]]


class Crash(Exception):  # noqa: N818
    """Ends a fit where no one expects it."""


def recipe(training: dict[str, Any], model: dict[str, Any] | None = None) -> Recipe:
    chosen = {"name": "cnn", "widths": (4, 4), "dropout": 0.2} | (model or {})
    return Recipe(
        model=schema("model", chosen["name"])(**chosen),
        loss=make("loss", "cross_entropy"),
        training={"epochs": EPOCHS, "batch_size": 8, "lr": 0.01} | training,
    )


def job(
    folder: Path, chosen: Recipe, *, task: str = "multiclass", seed: int = 2, **settings: Any
) -> Job:
    """A fit whose files are all below `folder`; its figures are told anew.

    Args:
        settings: of the sections hardware and execution.
    """
    execution = {key: settings.pop(key) for key in Execution.model_fields if key in settings}
    spool = Spool(folder / "spool")
    spool.open("test", {"fingerprint": "", "stage": "train"})
    return Job(
        title="test",
        recipe=chosen,
        task=make("task", task),
        seed=seed,
        hardware=Hardware(**{"accelerator": "cpu", "precision": "fp32", **settings}),
        execution=Execution(**execution),
        folder=f"{folder / 'checkpoints'}",
        spool=f"{spool.folder}",
        network=f"{folder / 'network'}",
    )


def fit_here(wanted: Job, given: Inputs) -> Network:
    """Run a fit in this process, again where it asks for that, as `start.run` does."""
    network = _fitted(wanted, given)
    assert network
    return network


def _fitted(wanted: Job, given: Inputs) -> Network | None:
    while True:
        try:
            return fit(wanted, given)
        except Again as again:
            print(again)


def logged(wanted: Job) -> Told:
    """The figures of all epochs, as they stand in the spool."""
    by_epoch: dict[int, dict[str, float]] = {}
    for figure in Spool(Path(wanted.spool)).figures():
        assert figure.name not in by_epoch.setdefault(figure.step, {})
        by_epoch[figure.step][figure.name] = figure.value
    return list(by_epoch.items())


def run(
    folder: Path, crash_at: int | None = None, model: dict[str, Any] | None = None, **training: Any
) -> tuple[dict[str, Tensor], Told]:
    """The weights and all figures; crashes when `crash_at` epochs are on disk."""
    wanted = job(folder, recipe(training, model))
    with crashing_after(crash_at):
        network = fit_here(wanted, inputs("crop_flip", MIXED))
    return network.state_dict(), logged(wanted)


@contextmanager
def crashing_after(num_epochs: int | None) -> Iterator[None]:
    """Inside, a fit crashes once it has saved the state at the end of so many epochs."""
    save = checkpoints.Checkpoints.on_train_epoch_end

    def crash(self: Any, trainer: Any, module: Any) -> None:
        save(self, trainer, module)
        if len(module.history) == num_epochs:
            raise Crash

    checkpoints.Checkpoints.on_train_epoch_end = crash
    try:
        yield
    finally:
        checkpoints.Checkpoints.on_train_epoch_end = save


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def save_often(patch: MonkeyPatch) -> None:
    """Have fits write a checkpoint at every other step."""
    patch.setattr(datamodule, "BLOCK_STEPS", 2)
    patch.setattr(checkpoints, "INTERVAL_S", 0.0)


def nan_at(patch: MonkeyPatch, calls: set[int]) -> None:
    """Make the loss of these calls NaN, whatever the network says."""
    build, done = cross_entropy.build, []

    def broken(*arguments: Any) -> Any:
        loss = build(*arguments)

        def sometimes(logits: Tensor, targets: Tensor) -> Tensor:
            done.append(1)
            return loss(logits, targets) * (float("nan") if len(done) in calls else 1.0)

        return sometimes

    patch.setattr(cross_entropy, "build", broken)


# --- processes


def run_fit(wanted: Job) -> None:
    """Run a fit to its end in processes of its own."""
    with FitProcess(wanted) as started:
        started.wait()


def on_disk(folder: Path, given: Inputs) -> Path:
    """Write inputs to where a fit that runs in `folder` finds them."""
    layout = Layout(folder)
    stores = {layout.trainval: (given.train, given.val), layout.augmentation / "copies": ()}
    for path, parts in stores.items():
        path.mkdir(parents=True, exist_ok=True)
        np.save(path / "images.npy", _joined([part.images for part in parts], given.train.images))
        np.save(path / "targets.npy", _joined([p.targets for p in parts], given.train.targets))
        np.save(path / "ids.npy", _joined([part.ids for part in parts], given.train.ids))
        folds = [np.full(len(part.ids), fold) for part, fold in zip(parts, (-1, 0), strict=False)]
        np.save(path / "folds.npy", _joined(folds, given.train.folds))
    write_json(layout.augmentation / "policy.json", given.policy)
    given.card.save(layout.card)
    return folder


def _joined(parts: list[np.ndarray], like: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(like)[:0], *map(np.asarray, parts)])


def forked(folder: Path, chosen: Recipe, patches: str = "", **settings: Any) -> int:
    """Start a process that starts a fit as a stage does, with forks; returns its process id.

    Args:
        patches: what `tests.training.patched` is to change in every process of the fit.
        settings: as those of `job`.
    """
    on_disk(folder, inputs("crop_flip", MIXED))
    python = forking_python() if "command" in settings else sys.executable
    child = os.fork()
    if child:
        return child
    try:
        os.chdir(folder)
        from tests.training import forks, patched

        if "command" in settings:  # which starts processes of its own
            os.environ["PYTHONPATH"] = f"{Path(__file__).parents[2]}"
            sys.executable = python
        else:
            forks.start_fits_as_forks()
        patched.apply(patches)
        process.exit_on_sigterm()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has it ignored
        run_fit(job(folder, chosen, **settings))
    except SystemExit as leaving:
        os._exit(int(str(leaving.code)))
    except UserError as error:
        (folder / "logged").write_text(f"{error}")
        os._exit(1)
    except BaseException as error:
        (folder / "logged").write_text(f"{type(error).__name__}: {error}")
        os._exit(3)
    os._exit(0)


def forked_here(folder: Path, chosen: Recipe, num_val: int | None = None, **hardware: Any) -> int:
    """Run a fit in forks of this process, one a device as torchrun has it: they start in no time.

    Returns:
        The process id of the first of them, which waits for the others.
    """
    child = os.fork()
    if child:
        return child
    try:
        wanted = job(folder, chosen, **hardware)
        others = _fork_others(wanted.hardware.devices)
        given = inputs("crop_flip", MIXED)
        val = Packed(*(part[:num_val] for part in given.val))
        _fitted(wanted, replace(given, val=val))
        assert [status(other) for other in others] == [0] * len(others)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(3)
    os._exit(0)


def _fork_others(devices: int) -> list[int]:
    """Return the process ids of ranks 1 and on in rank 0, and nothing in these."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = f"{probe.getsockname()[1]}"
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": f"{devices}"}
    os.environ.update(common, TORCHELASTIC_RUN_ID="test", RANK="0", LOCAL_RANK="0")
    others = []
    for rank in range(1, devices):
        other = os.fork()
        if not other:
            os.environ.update(RANK=f"{rank}", LOCAL_RANK=f"{rank}")
            return []
        others.append(other)
    return others


def status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def end(child: int, folder: Path, victim: int, signum: int, num_checkpoints: int) -> int:
    """Send a signal to one process of a fit when it has written some checkpoints.

    Args:
        victim: 0 for the process that has started the fit, 1 for the first of the fit, and so on.
    """
    for _ in range(num_checkpoints):
        before = written(folder)
        while written(folder) == before:
            assert psutil.Process(child).status() != psutil.STATUS_ZOMBIE, "it has ended too early"
            time.sleep(0.001)
    of_it = [psutil.Process(child), *psutil.Process(child).children(recursive=True)]
    of_it[victim].send_signal(signum)
    ended = status(child)
    assert not psutil.wait_procs(of_it[1:], timeout=20)[1]  # none is left
    return ended


def written(folder: Path) -> list[int]:
    """When each checkpoint was written; one may go at any moment."""
    found = []
    for name in (EPOCH, MIDDLE):
        with suppress(FileNotFoundError):
            found.append((folder / "checkpoints" / name).stat().st_mtime_ns)
    return found


def weights(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_file(folder / "network/weights.safetensors")
    return found


def same(one: Path, other: Path) -> None:
    """Both fits have ended with the same bits and figures."""
    assert equal(weights(one), weights(other))
    for name in ("network/history.csv", "spool/metrics.jsonl"):
        assert (one / name).read_text() == (other / name).read_text()
