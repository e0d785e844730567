"""One fit on two nodes, which are two processes here: as torchrun and srun would start them."""

import socket
import time
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pipeline.config.hardware import Hardware
from pipeline.config.load import parse_params
from pipeline.core import dvcfile
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml
from pipeline.execution.fit_process import FitProcess
from pipeline.execution.job import Job
from pipeline.training.trainer import environment
from tests.conftest import ROOT, Workspace, small
from tests.training.fits import forked, forked_here, job, recipe, run_fit, same, status

pytestmark = pytest.mark.slow
STAGE = ("python", "-m", "stages.train", "cnn_1")
SRUN = """#!/bin/sh
export SLURM_JOB_ID=4711 SLURM_JOB_NAME=train SLURM_NNODES=2 SLURM_NODELIST=127.0.0.1
export SLURM_NTASKS=2 SLURM_NTASKS_PER_NODE=1 SLURM_STEP_NUM_TASKS=2 SLURM_LOCALID=0
SLURM_PROCID=1 SLURM_NODEID=1 "$@" &
SLURM_PROCID=0 SLURM_NODEID=0 "$@" && wait $!
"""


def on_nodes(num: int, **execution: Any) -> Any:
    def edit(tree: dict[str, Any]) -> None:
        tree["hardware"] = {"accelerator": "cpu", "num_nodes": num}
        tree["execution"] = execution

    return edit


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """All that training needs, and the member as one process trains it."""
    made = Workspace(tmp_path_factory.mktemp("nodes") / "work")
    made.edit(small)
    made.edit(lambda tree: tree["recipes"]["cnn"].pop("search"))
    # Adam makes whole steps of gradients that are all rounding.
    made.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(optimiser={"name": "sgd"}))
    made.edit(on_nodes(1))
    for stage in ("preprocess", "augment", "components"):
        made.stage(stage)
    made.stage("search", "cnn")
    made.stage("train", "cnn_1")
    return made


def trained(workspace: Workspace) -> tuple[dict[str, Tensor], str]:
    """The weights, and the figures of all epochs."""
    artifacts = workspace.folder / "artifacts"
    weights = load_file(artifacts / "members/cnn_1/fold_0/weights.safetensors")
    return weights, (artifacts / "runs/train/cnn_1/metrics.jsonl").read_text()


def finished(started: list["Popen[str]"]) -> list[str]:
    message = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], message
    return message


def test_two_nodes_of_torchrun(searched: Workspace) -> None:
    """The first starts it by itself, as `dvc repro` would; on the second it is started by hand.

    They agree with one process apart by float additions, and every figure is written once.
    """
    (alone, logged), folder = trained(searched), searched.folder
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torchrun = "torchrun --nnodes 2 --nproc-per-node 1 --no-python --master-addr 127.0.0.1"
    first, second = (f"{torchrun} --master-port {port} --node-rank {node}" for node in (0, 1))
    searched.edit(on_nodes(2, command=first))
    job = folder / ".convoy/scratch/train/cnn_1/fold_0.json"
    stage = searched.fork(*STAGE)
    while not job.exists() and stage.poll() is None:
        time.sleep(0.1)
    fit = ("python", "-m", "pipeline.training.run", f"{job}")
    message = finished([stage, searched.fork(*second.split(), *fit)])
    assert ["epoch 2/2" in lines for lines in message] == [True, False]
    weights, figures = trained(searched)
    assert figures.count("\n") == logged.count("\n")
    assert weights.keys() == alone.keys()
    for name, weight in alone.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-3, atol=1e-4, msg=name)
    assert not list(folder.glob(".convoy/*/train/cnn_1/*"))


def test_two_nodes_of_srun(tmp_path: Path) -> None:
    """The same bits as two devices of one machine, for these are two processes too.

    `srun` is a script here that starts two processes with what srun sets.
    """
    chosen = recipe({})
    assert status(forked_here(tmp_path / "forked", chosen, devices=2)) == 0
    srun = tmp_path / "srun"
    srun.write_text(SRUN)
    srun.chmod(0o755)
    child = forked(tmp_path / "nodes", chosen, command=f"{srun}", num_nodes=2)
    assert status(child) == 0
    same(tmp_path / "forked", tmp_path / "nodes")


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "3"}, "torchrun started 3 processes"),
        ({"SLURM_STEP_NUM_TASKS": "4"}, "srun started 4 processes"),
    ],
)
def test_one_process_is_wanted_for_each_device(
    env: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        UserError, match=f"devices × num_nodes: got 1 × 2, but {message}; start one for"
    ):
        environment(Hardware(num_nodes=2))


def test_an_allocation_alone_starts_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a batch script all know of SLURM's tasks; it is Lightning that starts the devices."""
    for name, value in {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "job"}.items():
        monkeypatch.setenv(name, value)
    assert not environment(Hardware(devices=2)).creates_processes_externally


def test_several_nodes_want_a_command(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"num_nodes: got 2, but execution.command names no"):
        FitProcess(job(tmp_path, recipe({}), num_nodes=2))


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"execution.command: got 'absent': No such file"):
        FitProcess(job(tmp_path, recipe({}), command="absent --nodes 2"))


def test_a_command_that_is_no_line_of_a_shell_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"got \"srun 'a\": No closing quotation"):
        FitProcess(job(tmp_path, recipe({}), command="srun 'a"))


def test_a_command_that_does_not_wait_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="got 'true', which ended without training; name a"):
        run_fit(job(tmp_path, recipe({}), command="true"))


def test_a_node_that_shares_no_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"job.json: not found on .*; put the repository on a disk"):
        Job.load(tmp_path / "job.json")


def test_how_training_is_started_changes_no_fingerprint() -> None:
    tree = read_yaml(ROOT / "params.yaml")
    started = tree | {"execution": {"command": "srun --nodes 2", "loader_workers": 2}}
    assert parse_params(started, "test").execution.command == "srun --nodes 2"
    before, after = (
        dvcfile.entry("train", "cnn_1", t, ROOT / "dvc.yaml").settings(t) for t in (tree, started)
    )
    assert before == after
