"""Trials whose networks are members: what is refused, and that they are those of a training."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from pipeline.config.load import parse_params
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, read_yaml
from tests.conftest import ROOT, Workspace, brief, small

EPOCHS = 2
SPACE = {
    "training.lr": {"low": 0.001, "high": 0.02, "log": True},
    "model.dropout": {"choices": [0.0, 0.2]},
}


def keeping(tree: dict[str, Any], keep: int = 2) -> None:
    """Two of three trials of the recipe `cnn` are kept, and both are members."""
    search = {"budget": {"trials": 3}, "epochs": EPOCHS, "space": SPACE, "keep": keep}
    tree["recipes"]["cnn"]["search"] = search
    tree["recipes"]["cnn"]["training"]["epochs"] = EPOCHS
    tree["members"] = {
        "cnn_a": {"recipe": "cnn/best_1"},
        "cnn_b": {"recipe": "cnn/best_2"},
        "cnn_1": {"recipe": "cnn"},
    }


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("members", {"cnn_b": {"recipe": "cnn/best_3"}},
         "members.cnn_b.recipe: got 'cnn/best_3'; allowed cnn, cnn/best_1, cnn/best_2, resnet; "
         "nearest cnn/best_2; set recipes.cnn.search.keep: 3"),
        ("members", {"cnn_b": {"recipe": "cn/best_1"}}, "nearest cnn/best_1"),
        ("members", {"cnn_b": {"recipe": "cnn/best_0"}}, "got 'cnn/best_0'; allowed cnn, resnet"),
        ("members", {"cnn_a": {"recipe": "cnn/best_1", "seed": 3}},
         "members.cnn_a.seed: got 3, but a trial was trained from the seed of its search; remove"),
        ("members", {"cnn_a": {"recipe": "cnn/best_1", "init_seed": 0}}, "cnn_a.init_seed: got 0"),
        ("data", {"num_folds": 5, "val_fraction": None},
         "keep: got 2, but data.num_folds is 5, and the network of a trial is a member only where"),
        ("soups", {"s": {"members": ["cnn_a", "cnn_1"]}}, "got 'cnn_a', which is a trial; allowed"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_member_is_refused(
    section: str, change: dict[str, Any], message: str
) -> None:
    tree = read_yaml(ROOT / "params.yaml")
    keeping(tree)
    tree[section] = {**tree[section], **change}
    with pytest.raises(UserError) as refused:
        parse_params(tree, "test")
    assert message in str(refused.value)


def test_shorter_trials_are_no_members() -> None:
    tree = read_yaml(ROOT / "params.yaml")
    keeping(tree)
    tree["recipes"]["cnn"]["training"]["epochs"] = 40
    with pytest.raises(UserError, match="keep: got 2, but trials run for 2 epochs and members"):
        parse_params(tree, "test")


@pytest.mark.slow
def test_the_best_trial_is_the_member_that_training_would_give(tmp_path: Path) -> None:
    """Without training it: the same bits, figures and settings; and it goes all the way."""
    workspace = Workspace(tmp_path / "work")
    workspace.edit(small)
    workspace.edit(keeping)
    workspace.edit(brief)
    printed = workspace.run("dvc", "repro", "report")
    assert "train cnn_1  epoch 1/" in printed
    assert "train cnn_a  epoch" not in printed
    members = workspace.folder / "artifacts/members"
    best, second, trained = (members / name / "fold_0" for name in ("cnn_a", "cnn_b", "cnn_1"))
    weights, own = (
        load_file(best / "weights.safetensors"),
        load_file(trained / "weights.safetensors"),
    )
    assert weights.keys() == own.keys()
    assert all(weights[name].equal(own[name]) for name in own)
    assert (best / "history.csv").read_text() == (trained / "history.csv").read_text()
    assert (best / "history.csv").read_text() != (second / "history.csv").read_text()
    runs = workspace.folder / "artifacts/runs/train"
    lines = [(runs / name / "metrics.jsonl").read_text() for name in ("cnn_a", "cnn_1")]
    figures = [{tuple(json.loads(row).values()) for row in text.splitlines()} for text in lines]
    assert figures[0] == figures[1]
    assert read_json(runs / "cnn_a/run.json")["tags"]["convoy.trial"] in "012"
    assert "cnn/best_1" in (workspace.folder / "reports/index.html").read_text()
    # Another number of kept trials is another search, and leaves the members as they are.
    workspace.edit(lambda tree: tree["recipes"]["cnn"]["search"].update(keep=3))
    printed = workspace.run("dvc", "repro", "train")
    assert "Stage 'train@cnn_a' didn't change" in printed
    assert "Stage 'train@cnn_1' didn't change" in printed
