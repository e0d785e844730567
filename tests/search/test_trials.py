"""Trials that go wrong are told in one line, and leave no process behind."""

import math
from pathlib import Path

import pytest

from pipeline.config.load import load_params
from pipeline.core.errors import UserError
from pipeline.core.run_log import Spool
from pipeline.search.study import Trial, chosen
from pipeline.search.trials import best
from tests.conftest import ROOT, Workspace


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([0.5, 0.2, 0.3], 0.2), ([0.5], 0.5)],
)
def test_a_trial_is_worth_its_best_epoch(
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
    printed = workspace.stage("search", "cnn", status=1)
    (messages,) = [line for line in printed.splitlines() if line.startswith("search:")]
    assert "{'training.batch_size': 100000}" in messages
    assert "got 100000; allowed at most the 1071 training images of an epoch" in messages
    assert "Traceback" not in printed
    assert not (workspace.folder / "artifacts/search").exists()


@pytest.mark.slow
def test_a_trial_that_diverges_ends_no_search(workspace: Workspace) -> None:
    search = {"num_trials": 2, "epochs": 1, "space": {"training.lr": {"choices": [0.005, 1e30]}}}
    workspace.edit(lambda tree: tree["recipes"]["cnn"].update(search=search))
    for stage in ("preprocess", "augment"):
        workspace.stage(stage)
    printed = workspace.stage("search", "cnn")
    assert "trial 1 {'training.lr': 1e+30}: the loss is not finite in step" in printed
    assert "lower lr, or set training.on_divergence: recover; the search continues" in printed
    table = (workspace.folder / "artifacts/search/cnn/trials.csv").read_text().splitlines()
    assert table[2] == "1,inf,1e+30"


def test_a_search_in_which_all_diverge_is_told() -> None:
    recipe = load_params(ROOT / "params.yaml").recipes["cnn"]
    with pytest.raises(UserError, match="every trial diverged; search lower values of"):
        chosen(recipe, [Trial(0, {}, math.inf)])
