"""A fit resumes to the bit with every optimiser, stops where it must, and says why."""

import errno
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.core.errors import UserError
from pipeline.core.run_log import Spool
from pipeline.training import attempts, checkpoint, module
from pipeline.training.module import STATE, ConvoyModule
from tests.training.fits import (
    EPOCHS,
    MIXED,
    Crash,
    equal,
    fit_here,
    job,
    logged,
    nan_at,
    recipe,
    run,
    save_often,
)
from tests.training.test_data import inputs

WAYS = [
    {"optimiser": {"name": "sgd", "nesterov": True}, "schedule": {"name": "one_cycle"}},
    {"optimiser": {"name": "adam"}, "average": {"name": "ema"}},
    {"optimiser": {"name": "adamw"}, "average": {"name": "swa", "start": 0.3}},
    {"optimiser": {"name": "rmsprop"}, "schedule": {"name": "plateau", "patience": 0}},
    {"optimiser": {"name": "lion"}, "clip": {"by": "value", "at": 0.1}},
    {"optimiser": {"name": "muon"}, "clip": {}, "penalty": {"l1": 1e-4, "l2": 1e-3}},
    {"micro_batches": 2, "sampling": "balanced", "schedule": {"name": "constant"}},
    {"class_weights": "inverse", "class_weights_start": 0.4, "logit_adjustment": 1.0},
    {
        "transfer": {"frozen_epochs": 1, "gradual": True, "lr_decay_by_depth": 0.5},
        "average": {"name": "swa", "start": 0.3},
        "penalty": {"l2": 1e-3},
    },
]


@pytest.mark.parametrize("training", WAYS)
def test_a_crash_changes_no_bit(
    training: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, logged = run(tmp_path / "alone", **training)
    with pytest.raises(Crash):
        run(tmp_path / "between", crash_at=2, **training)
    assert equal(run(tmp_path / "between", **training)[0], weights)

    save_often(monkeypatch)
    _crash_in_step(monkeypatch, 8)
    with pytest.raises(Crash):
        run(tmp_path / "within", **training)
    assert (tmp_path / "within/checkpoints" / checkpoint.MIDDLE).is_file()
    monkeypatch.undo()
    resumed, again = run(tmp_path / "within", **training)
    assert equal(resumed, weights)
    assert again == logged


def _crash_in_step(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    update, done = ConvoyModule.update, []

    def crashing(*arguments: Any) -> Any:
        done.append(1)
        if len(done) == number:
            raise Crash
        return update(*arguments)

    monkeypatch.setattr(ConvoyModule, "update", crashing)


@pytest.mark.parametrize("training", [*WAYS, {"patience": 1, "lr": 0.3}])
def test_stops_within_the_schedule_change_no_bit(training: dict[str, Any], tmp_path: Path) -> None:
    """Each rung of a search continues the same job with a later end."""
    weights, alone = run(tmp_path / "alone", epochs=4, **training)
    wanted = job(tmp_path / "rungs", recipe({"epochs": 4, **training}))
    for until in (1, 1, 3, 4):
        rung = wanted.model_copy(update={"until_epoch": until})
        network = fit_here(rung, inputs("crop_flip", MIXED))
        assert logged(wanted) == alone[:until]
    assert equal(network.state_dict(), weights)


def test_a_fit_that_patience_has_ended_is_not_trained_further(tmp_path: Path) -> None:
    """Killed when the last epoch is on disk, before anyone knows that it was the last."""
    training = {"patience": 1, "lr": 0.3, "epochs": 30}
    weights, logged = run(tmp_path / "alone", **training)
    assert len(logged) < 30
    with pytest.raises(Crash):
        run(tmp_path / "killed", crash_at=len(logged), **training)
    resumed, again = run(tmp_path / "killed", **training)
    assert equal(resumed, weights)
    assert again == logged


def test_a_fit_that_was_done_tells_its_figures_again(tmp_path: Path) -> None:
    """A stage that begins anew has an empty spool; its fit finds that all epochs are done."""
    weights, logged = run(tmp_path / "alone")
    with pytest.raises(Crash):
        run(tmp_path / "killed", crash_at=EPOCHS)
    shutil.rmtree(tmp_path / "killed/spool")
    resumed, again = run(tmp_path / "killed")
    assert equal(resumed, weights)
    assert again == logged


def test_parts_of_a_batch_add_up_to_it(tmp_path: Path) -> None:
    """Without batch norm and dropout, which see a part at a time."""
    model = {"batch_norm": False, "dropout": 0.0}
    whole = run(tmp_path / "a", model=model, epochs=1)[0]
    parts = run(tmp_path / "b", model=model, epochs=1, micro_batches=4)[0]
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=1e-3, atol=1e-4)


def test_divergence_stops_and_names_step_rate_and_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nan_at(monkeypatch, {2 * 5 + 2 * 3})  # mixed batches take two calls: the third of epoch 2
    with pytest.raises(UserError, match=r"not finite in step 7 \(epoch 2, lr .*, samples image"):
        run(tmp_path)
    held = checkpoint.read(checkpoint.latest(tmp_path / "checkpoints"))  # type: ignore[arg-type]
    assert len(held[STATE]["history"]) == 1


@pytest.mark.parametrize("spoilt", ["weight", "running_mean"])
@pytest.mark.parametrize("average", [None, {"name": "ema"}])
def test_what_the_last_step_of_an_epoch_has_spoilt_is_not_kept(
    average: dict[str, Any] | None, spoilt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil_in_step(monkeypatch, 2 * 5, spoilt)
    with pytest.raises(UserError, match="not finite at the end of epoch 2; lower lr, or set"):
        run(tmp_path, average=average)
    for name in (checkpoint.EPOCH, checkpoint.BEST):
        held = checkpoint.read(tmp_path / "checkpoints" / name)
        assert all(value.isfinite().all() for value in held["state_dict"].values())
        assert len(held[STATE]["history"]) == 1
    monkeypatch.undo()
    assert [epoch for epoch, _ in run(tmp_path, average=average)[1]] == [0, 1, 2]


def test_a_figure_that_is_not_finite_does_not_choose_the_best_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = {"log_loss": np.full(1, np.nan)}
    monkeypatch.setattr(module, "scores_of", lambda *_: lambda *_: nowhere)
    with pytest.raises(UserError, match="val/log_loss is nan at the end of epoch 1; lower lr, or"):
        run(tmp_path)
    assert not list((tmp_path / "checkpoints").glob("*.ckpt"))


def test_a_fit_recovers_from_weights_that_are_spoilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constant = {"schedule": {"name": "constant", "warmup_epochs": 0}}
    _spoil_in_step(monkeypatch, 2 * 5, "weight")
    _, logged = run(tmp_path, on_divergence="recover", **constant)
    assert [figures["train/lr"] for _, figures in logged] == [0.01, 0.005, 0.005]


def _spoil_in_step(monkeypatch: pytest.MonkeyPatch, number: int, part: str) -> None:
    """Make a part NaN after the loss was computed, as a step at too high a rate does."""
    update, done = ConvoyModule.update, []

    def spoiling(self: ConvoyModule, *arguments: Any) -> Any:
        loss = update(self, *arguments)
        done.append(1)
        if len(done) == number:
            state = self.network.state_dict()
            next(state[name] for name in state if name.endswith(part)).fill_(float("nan"))
        return loss

    monkeypatch.setattr(ConvoyModule, "update", spoiling)


def test_recovery_goes_back_an_epoch_at_half_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    constant = {"schedule": {"name": "constant", "warmup_epochs": 0}}
    nan_at(monkeypatch, {16})
    _, logged = run(tmp_path, on_divergence="recover", **constant)
    assert [epoch for epoch, _ in logged] == [0, 1, 2]
    assert [figures["train/lr"] for _, figures in logged] == [0.01, 0.005, 0.005]
    assert (
        "to the end of the previous epoch, with the learning rate × 0.5" in capsys.readouterr().out
    )


def test_a_fit_that_cannot_recover_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nan_at(monkeypatch, set(range(1000)))
    with pytest.raises(
        UserError, match=r"in step 0 .* although the rate was halved 5 times; lower lr$"
    ):
        run(tmp_path, on_divergence="recover")


def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Crash):
        run(tmp_path, crash_at=1)
    folder = tmp_path / "checkpoints"
    before = (folder / checkpoint.EPOCH).read_bytes()

    def full(content: object, file: Any) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match="the disk is full; the last checkpoint is kept; free"):
        run(tmp_path)
    assert (folder / checkpoint.EPOCH).read_bytes() == before
    assert not list(folder.glob("*.part"))
    monkeypatch.undo()
    assert equal(run(tmp_path)[0], run(tmp_path / "alone")[0])


def test_a_disk_that_is_full_for_a_figure_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Spool, "record", full)
    with pytest.raises(UserError, match="checkpoints: the disk is full; the last checkpoint is"):
        run(tmp_path)


@pytest.mark.parametrize("name", [checkpoint.EPOCH, checkpoint.BEST, attempts.FILE])
def test_a_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    run(tmp_path)
    file = tmp_path / "checkpoints" / name
    for content in (b"", b"half", file.read_bytes()[:-50] if file.exists() else b"{"):
        file.write_bytes(content)
        with pytest.raises(UserError, match=f"{name}: damaged and cannot be read; delete .*points"):
            run(tmp_path)


def test_a_best_epoch_that_is_missing_is_told_before_the_fit_goes_on(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        run(tmp_path, crash_at=1)
    (tmp_path / "checkpoints" / checkpoint.BEST).unlink()
    with pytest.raises(UserError, match=r"best.ckpt: damaged and cannot be read; delete"):
        run(tmp_path)
    assert len(checkpoint.read(tmp_path / "checkpoints" / checkpoint.EPOCH)[STATE]["history"]) == 1


def test_lightning_reads_the_best_epoch(tmp_path: Path) -> None:
    """With nothing but the file: it holds the parameters and the weights that were validated."""
    weights, logged = run(tmp_path, average={"name": "ema"})
    path = tmp_path / "checkpoints" / checkpoint.BEST
    module = ConvoyModule.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    assert equal(module.network.state_dict(), weights)
    best = min(range(len(logged)), key=lambda epoch: logged[epoch][1]["val/log_loss"])
    assert module.history == [figures for _, figures in logged[: best + 1]]
    assert module.settings.lr == 0.01
