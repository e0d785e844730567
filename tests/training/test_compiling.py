"""Compiled training is the same training: names, weights and what comes of a crash."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.config.load import parse_params
from pipeline.core.errors import UserError
from tests.config.test_params import TREE
from tests.training.fits import Crash, crashing_after, equal, fit_here, job, recipe
from tests.training.test_data import inputs

TRAINING = {"average": {"name": "ema"}, "clip": {}, "micro_batches": 2}
MODEL = {"widths": (4,), "dropout": 0.0}  # dropout of compiled code draws other numbers


def run(folder: Path, crash_at: int | None = None, **hardware: Any) -> dict[str, Tensor]:
    """The weights; crashes after `crash_at` epochs."""
    wanted = job(folder, recipe(TRAINING, MODEL), **hardware)
    with crashing_after(crash_at):
        return fit_here(wanted, inputs("crop_flip", None)).state_dict()


@pytest.mark.slow
def test_it_learns_the_same_weights_and_a_crash_changes_no_bit(tmp_path: Path) -> None:
    plain, compiled = run(tmp_path / "plain"), run(tmp_path / "compiled", compile=True)
    assert compiled.keys() == plain.keys()
    assert not equal(compiled, plain)  # other code adds in another order
    for name, weight in plain.items():
        torch.testing.assert_close(compiled[name], weight, rtol=1e-3, atol=1e-4)
    with pytest.raises(Crash):
        run(tmp_path / "crashed", crash_at=2, compile=True)
    assert equal(run(tmp_path / "crashed", compile=True), compiled)


@pytest.mark.slow
def test_without_a_compiler_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", ("no-g++",))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(UserError) as caught:
        run(tmp_path, compile=True)
    message = str(caught.value)
    assert message.startswith("hardware.compile: got true, but torch.compile failed: InvalidCxx")
    assert "no-g++" in message
    assert message.endswith("or set hardware.compile: false")
    assert "\n" not in message


def test_blocks_that_are_unfrozen_one_by_one_are_not_compiled() -> None:
    tree = TREE | {"hardware": {"compile": True}}
    training = TREE["recipes"]["cnn"]["training"]
    gradual = {"transfer": {"frozen_epochs": 1, "gradual": True}}
    model = {"name": "timm", "architecture": "resnet18", "pretrained": True}
    fine_tuned = {**TREE["recipes"]["cnn"], "training": training | gradual, "model": model}
    fine_tuned.pop("search")
    tree["recipes"] = TREE["recipes"] | {"cnn": fine_tuned}
    with pytest.raises(UserError, match=r"recipes\.cnn unfreezes gradually.*allowed false$"):
        parse_params(tree, "params.yaml")
