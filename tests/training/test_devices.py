"""A fit on several devices that is killed, or one process of it, ends as though it were not."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from pipeline import launch, process
from pipeline.component import schema
from pipeline.errors import UserError
from pipeline.params import Hardware, Recipe
from pipeline.training import loop
from pipeline.training.fit import fit
from tests.training.test_data import inputs
from tests.training.test_loop import recipe

PARENT, RANK_0, RANK_1 = range(3)
TERM, KILL = signal.SIGTERM, signal.SIGKILL


def train(folder: Path, chosen: Recipe, **hardware: Any) -> None:
    """A fit whose history, weights and last words are written to files."""
    process.exit_on_sigterm()
    history = folder / "history"
    if not launch.place() or launch.place().rank == 0:
        history.write_text("")

    def record(figures: dict[str, float], epoch: int) -> None:
        with history.open("a") as file:
            file.write(f"{epoch} {figures}\n")

    network = fit(
        chosen,
        inputs("crop_flip", {"mixup_alpha": 0.3}),
        task=schema("task", "multiclass")(name="multiclass"),
        seed=2,
        hardware=Hardware(accelerator="cpu", precision="fp32", **hardware),
        record=record,
        folder=folder / "checkpoints",
        title="test",
    )
    if network:
        network.save(folder, chosen.model)


def forked(
    folder: Path, chosen: Recipe, environment: dict[str, str] | None = None, **hardware: Any
) -> int:
    """The process id of a fit that runs on its own."""
    folder.mkdir(exist_ok=True)
    child = os.fork()
    if child:
        return child
    os.environ.update(environment or {})
    try:
        train(folder, chosen, **hardware)
    except SystemExit as leaving:
        os._exit(int(str(leaving.code)))
    except UserError as error:
        (folder / "told").write_text(f"{error}")
        os._exit(1)
    except BaseException as error:
        print(error, error.__cause__, file=sys.__stderr__, flush=True)
        os._exit(3)
    os._exit(0)


def status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def end(child: int, folder: Path, victim: int, signum: int, num_checkpoints: int) -> int:
    """Send a signal to one process of a fit when it has written some checkpoints."""
    for _ in range(num_checkpoints):
        before = written(folder)
        while written(folder) == before:
            time.sleep(0.001)
    of_it = [psutil.Process(child), *psutil.Process(child).children(recursive=True)]
    of_it[victim].send_signal(signum)
    ended = status(child)
    assert not psutil.wait_procs(of_it[1:], timeout=20)[1]  # none is left
    return ended


def written(folder: Path) -> list[int]:
    files = (folder / "checkpoints" / name for name in ("epoch.pt", "middle.pt"))
    return [file.stat().st_mtime_ns for file in files if file.exists()]


def same(one: Path, other: Path) -> None:
    first, second = (load_file(folder / "weights.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (one / "history").read_text() == (other / "history").read_text()


@pytest.fixture
def frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint at every other step."""
    monkeypatch.setattr(loop, "CHECK_STEPS", 2)
    monkeypatch.setattr(loop, "CHECKPOINT_S", 0.0)


@pytest.mark.slow
def test_killed_and_resumed(tmp_path: Path, frequent: None) -> None:
    chosen = recipe({"epochs": 12})  # of five steps
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    assert status(forked(alone, chosen, devices=2)) == 0
    kills = [(PARENT, TERM), (RANK_1, KILL), (PARENT, KILL), (RANK_1, TERM), (RANK_0, KILL)]
    ends, told = [], []
    for victim, signum in kills:
        child = forked(killed, chosen, devices=2)
        ends.append(end(child, killed, victim, signum, num_checkpoints=4))
        if ends[-1] == 1:
            told.append((killed / "told").read_text())
    assert ends == [143, 1, -KILL, 143, 1]
    assert [line.split(" (")[0] for line in told] == [
        "rank 1 was ended by signal 9",
        "rank 0 was ended by signal 9",
    ]
    assert status(forked(killed, chosen, devices=2)) == 0
    same(alone, killed)


@pytest.mark.slow
def test_three_devices_add_in_the_same_order_when_resumed(tmp_path: Path, frequent: None) -> None:
    """Unlike that of two numbers, the sum of three depends on it."""
    chosen = recipe({"batch_size": 9})
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    assert status(forked(alone, chosen, devices=3)) == 0
    child = forked(killed, chosen, devices=3)
    assert end(child, killed, RANK_1, KILL, num_checkpoints=4) == 1
    assert status(forked(killed, chosen, devices=3)) == 0
    same(alone, killed)


@pytest.mark.slow
def test_one_process_fits_fold_after_fold_on_two_devices(tmp_path: Path) -> None:
    """With several threads each: a fork that lacked its parent's would wait for them."""
    wide = schema("model", "cnn")(name="cnn", widths=(128, 128))
    chosen = recipe({"epochs": 1}).model_copy(update={"model": wide})
    folders = [tmp_path / "fold_0", tmp_path / "fold_1"]
    child = os.fork()
    if not child:
        signal.alarm(60)
        torch.set_num_threads(2)  # as where nobody has set it
        try:
            for folder in folders:
                folder.mkdir()
                train(folder, chosen, devices=2, threads=2)
        finally:
            os._exit(not (folders[1] / "weights.safetensors").exists())
    assert status(child) == 0
    same(*folders)
