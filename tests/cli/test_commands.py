"""The command line as it is installed."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.check import check
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml, write_json
from tests.conftest import ROOT, Workspace


@pytest.mark.slow
def test_it_says_what_a_bug_report_needs(workspace: Workspace) -> None:
    printed = workspace.run("convoy", "--version").splitlines()
    commit = workspace.run("git", "rev-parse", "--short=12", "HEAD").strip()
    assert printed[0] == f"convoy {commit}-dirty"
    assert re.fullmatch(r"Python 3\.\d+\.\d+ on .+", printed[1])
    assert {line.split()[0] for line in printed[2:]} >= {
        "torch",
        "pytorch-lightning",
        "mlflow",
        "dvc",
    }


@pytest.mark.slow
def test_a_shell_completes_its_commands(workspace: Workspace) -> None:
    words = {"_CONVOY_COMPLETE": "complete_bash", "COMP_WORDS": "convoy gra", "COMP_CWORD": "1"}
    assert workspace.run("convoy", **words).strip() == "gradcheck"


def test_the_module_is_the_same_command() -> None:
    command = [sys.executable, "-m", "pipeline", "check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "params.yaml: 4 members, 2 recipes: valid\n"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("size_px", "size"), ("epochs: 40", "epochs: 0"), ("name: resnet", "name: resnett")],
)
def test_a_wrong_parameter_is_refused_without_any_slow_import(
    tmp_path: Path, right: str, wrong: str
) -> None:
    params = (ROOT / "params.yaml").read_text().replace("data:", "data:\n  image: {size_px: 8}", 1)
    (tmp_path / "wrong.yaml").write_text(params.replace(right, wrong))
    command = [sys.executable, "-X", "importtime", "-m", "pipeline", "check"]
    done = subprocess.run(
        [*command, str(tmp_path / "wrong.yaml")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "pipeline.config.load" in imported
    assert not imported & {"numpy", "jaxtyping", "torch", "scipy", "sklearn", "mlflow", "dvc"}


@pytest.mark.parametrize("module", ["stages.train", "pipeline"])
def test_a_python_without_the_packages_says_what_to_do(module: str) -> None:
    """As where `.venv/bin/dvc repro` is called without the environment."""
    command = [sys.executable, "-S", "-m", module, "check"]  # without installed packages
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        "lacks the packages that Convoy needs; activate the environment that `make" in done.stderr
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("split", "data", "message"),
    [
        ("val", {}, "data.val_fraction: got 0.2, but the source has its own val split; set it to"),
        (
            "val",
            {"val_fraction": None, "num_folds": 3},
            "data.num_folds: got 3, but the source has",
        ),
        ("test", {"val_fraction": 0.2}, "data.test_fraction: got 0.2, but the source has its own"),
    ],
)
def test_check_compares_the_sources_own_splits_with_the_parameters(
    tmp_path: Path, split: str, data: dict[str, Any], message: str
) -> None:
    for name in ("train", split):
        for label in ("cat", "dog"):
            (tmp_path / "pets" / name / label).mkdir(parents=True)
            (tmp_path / "pets" / name / label / "1.png").write_bytes(b"not read")
    tree = read_yaml(ROOT / "params.yaml")
    source = {"source": {"name": "folder"}, "path": str(tmp_path / "pets"), "test_fraction": 0.2}
    tree["data"] = source | data
    write_json(tmp_path / "params.yaml", tree)  # which is YAML too
    with pytest.raises(UserError, match=re.escape(message)):
        check(tmp_path / "params.yaml")
