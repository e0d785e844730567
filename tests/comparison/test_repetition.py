"""States that are run again, in clean clones of real commits."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.comparison.test_revisions import commit, state_run
from tests.conftest import Workspace

pytestmark = pytest.mark.slow


def test_a_commit_gives_the_same_again_by_the_id_of_its_run(copy: Workspace) -> None:
    commit(copy, "done")
    printed = copy.run("convoy", "reproduce", state_run(copy))
    lines = printed.splitlines()
    head = copy.run("git", "rev-parse", "HEAD")[:12]
    assert f"running {head} again in .convoy/reproduce/{head}" in lines
    outputs = [line.split() for line in lines if " identical" in line]
    assert ["train@cnn_1", "artifacts/members/cnn_1", "identical"] in outputs
    assert ["report", "reports/index.html", "identical"] in outputs
    num = len(outputs)
    assert lines[-1].startswith(f"identical: all {num} outputs, among them ")
    figures = json.loads(next((copy.folder / "reports/metrics").glob("*.json")).read_text())
    assert int(lines[-1].split()[-2]) >= len(figures)
    assert not any((copy.folder / ".convoy/reproduce").iterdir())
    assert copy.run("git", "status", "--porcelain") == ""


def test_what_differs_is_named_with_its_size_and_its_place(copy: Workspace) -> None:
    """The commit holds other weights, by float noise, another figure and another processor."""
    weights = copy.folder / "artifacts/members/cnn_1/fold_0/weights.safetensors"
    tensors = load_file(weights).items()
    shifted = {name: t * (1 + 1e-6) if t.is_floating_point() else t for name, t in tensors}
    save_file(shifted, weights)
    edit(copy.folder / "artifacts/runs/train/cnn_1/run.json", other_processor)
    edit(copy.folder / "reports/comparison.json", lambda tree: tree.update(num_samples=17))
    copy.run("dvc", "commit", "--force", "--quiet", "train@cnn_1", "evaluate")
    commit(copy, "tampered with")
    printed = copy.run("convoy", "reproduce", "HEAD", status=1)
    said = printed[printed.index("not reproduced\n") :].splitlines()
    assert said[1].startswith(
        "the first difference in the graph: train@cnn_1: within float noise: up to "
    )
    assert said[1].endswith("of a number in artifacts/members/cnn_1/fold_0/weights.safetensors")
    assert said[2].startswith("processor was an abacus and is ")
    rows = [" ".join(line.split()) for line in printed.splitlines()]
    assert "evaluate reports/comparison.json different: up to " in " ".join(rows)
    assert "predict@cnn_1 artifacts/predictions/cnn_1 identical" in rows


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree, indent=2, sort_keys=True) + "\n")


def other_processor(run: dict[str, Any]) -> None:
    run["tags"]["environment.processor"] = "an abacus"


def test_what_cannot_be_repeated_is_said_in_one_line(copy: Workspace) -> None:
    for name, said in (
        ("HEAD", "has no dvc.lock, so nothing says what it gave; commit dvc.lock after"),
        ("HEDA", "got 'HEDA', which is not a revision, experiment or MLflow run; allowed"),
        ("0" * 32, f"{'0' * 32}: "),
        (state_run(copy), "its results are not committed; commit dvc.lock with the code and pa"),
    ):
        printed = copy.run("convoy", "reproduce", name, status=1)
        assert said in printed
        assert len(printed.splitlines()) == 1


def test_data_that_nobody_has_any_more_is_named(copy: Workspace) -> None:
    commit(copy, "done")
    lock = (copy.folder / "dvc.lock").read_text()
    for path, said in (
        ("data/pets", "data/pets is neither in git nor in DVC nor in the workspace; put it there"),
        ("../pets", "../pets lies beside the repository, where its clone cannot find it; a commit"),
    ):
        moved = lock.replace("path: data/raw\n", f"path: {path}\n")
        (copy.folder / "dvc.lock").write_text(moved)
        commit(copy, "data from elsewhere")
        printed = copy.run("convoy", "reproduce", "HEAD", status=1)
        assert said in printed
        assert len(printed.splitlines()) == 1
    (copy.folder / "dvc.lock").write_text(lock)
    commit(copy, "data from here")
    (copy.folder / "data/raw/more.png").write_text("added since")
    printed = copy.run("convoy", "reproduce", "HEAD", status=1)
    assert "data/raw is not what the commit read, so nothing was run; bring back" in printed
    assert len(printed.splitlines()) == 1
    subprocess.run(["git", "fsck"], cwd=copy.folder, check=True, capture_output=True)
