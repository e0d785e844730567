"""`convoy worker` and the stage `search` share a study, with fits of a real network."""

import csv
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import parse_params
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml
from tests.conftest import ROOT, Workspace
from tests.postgresql import PASSWORD, SPELT, serve
from tests.test_reruns import edit as edit_file

MODEL = "pipeline/models/architectures/cnn.py"
SEARCH = {
    "budget": {"trials": 4},
    "epochs": 1,
    "asynchronous": True,
    "space": {"training.lr": {"low": 0.001, "high": 0.02, "log": True}},
}


@pytest.mark.slow
def test_a_worker_of_another_clone_runs_trials_that_reach_the_artifacts(
    workspace: Workspace, tmp_path: Path
) -> None:
    with serve() as server:
        url = server.create("studies")

        def edit(tree: dict[str, Any]) -> None:
            tree["recipes"]["cnn"]["search"] = SEARCH
            tree["execution"] = {"search_storage": url, "heartbeat_s": 2}

        workspace.edit(edit)
        assert "valid" in workspace.run("convoy", "check")
        for stage in ("preprocess", "augment", "components"):
            workspace.stage(stage)
        other = workspace.copied(tmp_path / "other")
        wrong = workspace.copied(tmp_path / "wrong")
        printed = other.run("convoy", "worker", "cnn")  # all four trials, as it is alone
        assert "worker cnn: 4 of 4 trials of the study are complete" in printed
        wrong.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(batch_size=32))
        refused = wrong.run("convoy", "worker", "cnn", status=1)
        assert "has other parameters (recipes.cnn.training.batch_size); check out" in refused
        edited = workspace.copied(tmp_path / "edited")
        edit_file(edited, MODEL)
        told = edited.run("convoy", "worker", "cnn", status=1)
        assert "cnn.json: does not belong to the present code; run `dvc repro --force" in told
        edited.stage("components")
        told = edited.run("convoy", "worker", "cnn", status=1)
        assert f"has another version of the code ({MODEL}); check out the same commit" in told
        staged = workspace.stage("search", "cnn")
        assert "  epoch " not in staged  # nothing is left to train
    folder = workspace.folder
    rows = list(csv.DictReader((folder / "artifacts/search/cnn/trials.csv").open()))
    assert [(row["state"], row["epochs"]) for row in rows] == [("COMPLETE", "1")] * 4
    logged = folder / "artifacts/runs/search/cnn/trial_003/metrics.jsonl"
    assert rows[3]["val_log_loss"] in logged.read_text()
    written = [p for base in (folder, other.folder) for p in base.rglob("*") if p.is_file()]
    secret = re.compile(f"{re.escape(PASSWORD)}|{SPELT}".encode())
    found = {p.name for p in written if not p.is_symlink() and secret.search(p.read_bytes())}
    assert found == {"params.yaml"}
    assert not secret.search((printed + refused + staged).encode())


def parsed(**execution: Any) -> None:
    tree = read_yaml(ROOT / "params.yaml")
    tree["recipes"]["cnn"]["search"] = {**SEARCH}
    tree["recipes"]["resnet"]["search"] = None
    parse_params(tree | {"execution": execution}, "params.yaml")


@pytest.mark.parametrize(
    "given",
    ["mysql://convoy:s3cret@host/studies", "s3cret", 3, ["s3cret"], "postgresql://u:s3cret@host"],
)
def test_what_is_no_address_is_refused_without_being_repeated(given: Any) -> None:
    with pytest.raises(UserError, match=r"execution\.search_storage: got no address") as raised:
        parsed(search_storage=given)
    assert "s3cret" not in str(raised.value)


def test_a_password_in_the_wrong_place_is_not_repeated() -> None:
    tree = read_yaml(ROOT / "params.yaml") | {"execution": "postgresql://u:s3cret@host/studies"}
    with pytest.raises(UserError, match="execution: got 'postgresql://u:") as raised:
        parse_params(tree, "params.yaml")
    assert "s3cret" not in str(raised.value)


def test_a_study_that_is_to_repeat_is_not_shared() -> None:
    tree = read_yaml(ROOT / "params.yaml")
    tree["execution"] = {"search_storage": "postgresql://convoy@host/studies"}
    with pytest.raises(UserError, match=r"recipes.cnn.search.asynchronous: got false with exec"):
        parse_params(tree, "params.yaml")


def test_no_file_of_a_fit_holds_the_address() -> None:
    tree = read_yaml(ROOT / "params.yaml")
    tree["recipes"]["cnn"]["search"] = {**SEARCH}
    tree["recipes"]["resnet"]["search"] = None
    tree["execution"] = {"search_storage": "postgresql://convoy:s3cret@host/studies"}
    params = parse_params(tree, "params.yaml")
    assert params.execution.search_storage == "postgresql://convoy:s3cret@host/studies"
    assert "s3cret" not in params.model_dump_json() + f"{params.model_dump()}{params!r}"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["worker", "cnn"], "params.yaml: execution.search_storage: got null; allowed the address"),
        (["worker", "cnm"], "params.yaml: recipes: got 'cnm'; allowed cnn, resnet; nearest cnn"),
        (["dashboard", "cnm"], "params.yaml: recipes: got 'cnm'; allowed cnn, resnet; nearest"),
    ],
)
def test_what_cannot_work_is_refused_at_once(arguments: list[str], expected: str) -> None:
    command = [sys.executable, "-m", "pipeline", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(expected)
