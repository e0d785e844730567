"""Trials that go wrong are told in one line, and leave no process behind."""

import math
from pathlib import Path

import pytest

from pipeline.search.trials import best
from pipeline.spool import Spool
from tests.conftest import Workspace


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([0.5, 0.2, 0.3], 0.2), ([0.5, math.nan, math.inf], 0.5), ([math.nan], math.inf)],
)
def test_a_trial_is_worth_its_best_finite_epoch(
    tmp_path: Path, losses: list[float], expected: float
) -> None:
    spool = Spool(tmp_path)
    spool.open("search/cnn/trial_000", {"fingerprint": "f"})
    for step, loss in enumerate(losses):
        spool.record({"val/standardised_mse": loss, "val/log_loss": 0.0}, step)
    assert best(spool, "val/standardised_mse") == expected


@pytest.mark.slow
def test_a_trial_that_refuses_its_settings_is_told_in_one_line(workspace: Workspace) -> None:
    space = {"training.batch_size": {"choices": [64, 100_000]}}
    search = {"num_trials": 6, "epochs": 1, "space": space, "parallel": 2}
    workspace.edit(lambda tree: tree["recipes"]["cnn"].update(search=search))
    for stage in ("preprocess", "augment"):
        workspace.stage(stage)
    said = workspace.stage("search", "cnn", status=1)
    (told,) = [line for line in said.splitlines() if line.startswith("search:")]
    assert "{'training.batch_size': 100000}" in told
    assert "got 100000; allowed at most the 1071 training images of an epoch" in told
    assert "Traceback" not in said
    assert not (workspace.folder / "artifacts/search").exists()
