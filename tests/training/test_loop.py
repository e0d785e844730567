"""The loop: resumes to the bit with every optimiser, stops where it must, and says why."""

import errno
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.component import schema
from pipeline.errors import UserError
from pipeline.losses import cross_entropy
from pipeline.params import Hardware, Recipe
from pipeline.training import checkpoint, loop
from pipeline.training.fit import fit
from tests.training.test_data import inputs

EPOCHS = 3  # of five batches each


class Crash(Exception):  # noqa: N818
    """Ends a fit where no one expects it."""


def recipe(training: dict[str, Any], model: dict[str, Any] | None = None) -> Recipe:
    chosen = {"name": "cnn", "widths": (4, 4), "dropout": 0.2} | (model or {})
    return Recipe(
        model=schema("model", chosen["name"])(**chosen),
        loss=schema("loss", "cross_entropy")(name="cross_entropy"),
        training={"epochs": EPOCHS, "batch_size": 8, "lr": 0.01} | training,
    )


def run(
    folder: Path, crash_at: int | None = None, model: dict[str, Any] | None = None, **training: Any
) -> tuple[dict[str, Tensor], list[tuple[int, dict[str, float]]]]:
    """The weights and all figures; crashes after `crash_at` epochs' figures are told."""
    told: list[tuple[int, dict[str, float]]] = []

    def record(figures: dict[str, float], epoch: int) -> None:
        told.append((epoch, figures))
        if len(told) == crash_at:
            raise Crash

    network = fit(
        recipe(training, model),
        inputs("crop_flip", {"mixup_alpha": 0.3}),
        task=schema("task", "multiclass")(name="multiclass"),
        seed=2,
        hardware=Hardware(accelerator="cpu", precision="fp32"),
        record=record,
        folder=folder,
        title="test",
    )
    return network.state_dict(), told


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


WAYS = [
    {"optimiser": {"name": "sgd", "nesterov": True}, "schedule": {"name": "one_cycle"}},
    {"optimiser": {"name": "adam"}, "average": {"name": "ema"}},
    {"optimiser": {"name": "adamw"}, "average": {"name": "swa", "start": 0.3}},
    {"optimiser": {"name": "rmsprop"}, "schedule": {"name": "plateau", "patience": 0}},
    {"optimiser": {"name": "lion"}, "clip": {"by": "value", "at": 0.1}},
    {"optimiser": {"name": "muon"}, "clip": {}, "penalty": {"l1": 1e-4, "l2": 1e-3}},
    {"micro_batches": 2, "sampling": "balanced", "schedule": {"name": "constant"}},
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
    weights, told = run(tmp_path / "alone", **training)
    with pytest.raises(Crash):
        run(tmp_path / "between", crash_at=2, **training)
    assert equal(run(tmp_path / "between", **training)[0], weights)

    monkeypatch.setattr(loop, "CHECK_STEPS", 2)
    monkeypatch.setattr(loop, "CHECKPOINT_S", 0.0)
    _crash_in_step(monkeypatch, 8)
    with pytest.raises(Crash):
        run(tmp_path / "within", **training)
    assert (tmp_path / "within" / checkpoint.MIDDLE).is_file()
    monkeypatch.undo()
    resumed, again = run(tmp_path / "within", **training)
    assert equal(resumed, weights)
    assert again == told


def _crash_in_step(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    step, done = loop.Loop._step, []

    def crashing(self: loop.Loop, batch: Any) -> None:
        done.append(1)
        if len(done) == number:
            raise Crash
        step(self, batch)

    monkeypatch.setattr(loop.Loop, "_step", crashing)


def test_parts_of_a_batch_add_up_to_it(tmp_path: Path) -> None:
    """Without batch norm and dropout, which see a part at a time."""
    model = {"batch_norm": False, "dropout": 0.0}
    whole = run(tmp_path / "a", model=model, epochs=1)[0]
    parts = run(tmp_path / "b", model=model, epochs=1, micro_batches=4)[0]
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=1e-3, atol=1e-4)


def _nan_at(monkeypatch: pytest.MonkeyPatch, calls: set[int]) -> None:
    """Make the loss of these calls NaN, whatever the network says."""
    build, done = cross_entropy.build, []

    def broken(*arguments: Any) -> Any:
        loss = build(*arguments)

        def sometimes(logits: Tensor, targets: Tensor) -> Tensor:
            done.append(1)
            return loss(logits, targets) * (float("nan") if len(done) in calls else 1.0)

        return sometimes

    monkeypatch.setattr(cross_entropy, "build", broken)


def test_divergence_stops_and_names_step_rate_and_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _nan_at(monkeypatch, {2 * 5 + 2 * 3})  # mixed batches take two calls: the third of epoch 2
    with pytest.raises(UserError, match=r"not finite in step 7 \(epoch 2, lr .*, samples image"):
        run(tmp_path)
    assert checkpoint.load(tmp_path).epoch == 1  # type: ignore[union-attr]


def test_recovery_goes_back_an_epoch_at_half_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    constant = {"schedule": {"name": "constant", "warmup_epochs": 0}}
    _nan_at(monkeypatch, {16})
    _, told = run(tmp_path, on_divergence="recover", **constant)
    assert [epoch for epoch, _ in told] == [0, 1, 2]
    assert [figures["train/lr"] for _, figures in told] == [0.01, 0.005, 0.005]
    assert "back to the end of the epoch before, learning rate × 0.5" in capsys.readouterr().out


def test_a_fit_that_cannot_recover_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _nan_at(monkeypatch, set(range(1000)))
    with pytest.raises(UserError, match="not finite in step 0"):
        run(tmp_path, on_divergence="recover")


def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Crash):
        run(tmp_path, crash_at=1)
    before = (tmp_path / checkpoint.EPOCH).read_bytes()

    def full(content: object, file: Any) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    _patch_save(monkeypatch, full)
    with pytest.raises(UserError, match="the disk is full; the last checkpoint is kept, make room"):
        run(tmp_path)
    assert (tmp_path / checkpoint.EPOCH).read_bytes() == before
    assert not list(tmp_path.glob("*.part"))
    monkeypatch.undo()
    assert equal(run(tmp_path)[0], run(tmp_path / "alone")[0])


def _patch_save(monkeypatch: pytest.MonkeyPatch, save: Any) -> None:
    module: ModuleType = checkpoint.torch
    monkeypatch.setattr(module, "save", save)
