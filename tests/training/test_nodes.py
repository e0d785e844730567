"""One member on two nodes, which are two processes here: as torchrun and srun would start them."""

import socket
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.conftest import Workspace, small
from tests.training.test_devices import forked, same, status
from tests.training.test_loop import recipe

pytestmark = pytest.mark.slow
STAGE = ("python", "-m", "stages.train", "cnn_1")


def on_nodes(num: int, **launch: Any) -> Any:
    def edit(tree: dict[str, Any]) -> None:
        tree["hardware"] = {"accelerator": "cpu", "num_nodes": num}
        tree["launch"] = launch

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
    for stage in (("preprocess",), ("augment",), ("search", "cnn"), ("train", "cnn_1")):
        made.stage(*stage)
    return made


def trained(workspace: Workspace) -> tuple[dict[str, Tensor], str]:
    """The weights, and the figures of all epochs."""
    artifacts = workspace.folder / "artifacts"
    weights = load_file(artifacts / "members/cnn_1/fold_0/weights.safetensors")
    return weights, (artifacts / "runs/train/cnn_1/metrics.jsonl").read_text()


def finished(started: list["Popen[str]"]) -> list[str]:
    said = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    return said


def test_two_nodes_of_torchrun(searched: Workspace) -> None:
    """The first starts it by itself, as `dvc repro` would; on the second it is started by hand.

    They agree with one process apart by float additions, and every figure is written once.
    """
    (alone, told), folder = trained(searched), searched.folder
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torchrun = "torchrun --nnodes 2 --nproc-per-node 1 --no-python --master-addr 127.0.0.1"
    first, second = (f"{torchrun} --master-port {port} --node-rank {node}" for node in (0, 1))
    searched.edit(on_nodes(2, command=first))
    said = finished([searched.start(*STAGE), searched.start(*second.split(), *STAGE)])
    assert ["epoch 2/2" in lines for lines in said] == [True, False]
    weights, figures = trained(searched)
    assert figures.count("\n") == told.count("\n")
    assert weights.keys() == alone.keys()
    for name, weight in alone.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-3, atol=1e-4, msg=name)
    assert not list(folder.glob(".convoy/*/train/cnn_1/*"))


def test_two_nodes_of_srun(tmp_path: Path) -> None:
    """The same bits as two devices of one machine, for these are two processes too."""
    chosen = recipe({})
    assert status(forked(tmp_path / "forked", chosen, devices=2)) == 0
    set_by_srun = {
        "SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "train", "SLURM_NNODES": "2",
        "SLURM_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_STEP_NUM_TASKS": "2", "SLURM_LOCALID": "0",
    }  # fmt: skip
    nodes = [{"SLURM_PROCID": node, "SLURM_NODEID": node, **set_by_srun} for node in "01"]
    started = [forked(tmp_path / "srun", chosen, node, num_nodes=2) for node in nodes]
    assert [status(child) for child in started] == [0, 0]
    same(tmp_path / "forked", tmp_path / "srun")


def test_a_stage_that_does_not_train_runs_in_the_first_process(searched: Workspace) -> None:
    chosen = searched.folder / "artifacts/search/cnn/chosen.json"
    before = chosen.stat().st_ino
    started = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2"}
    assert searched.stage("search", "cnn", RANK="1", **started) == ""
    assert chosen.stat().st_ino == before
    searched.stage("search", "cnn", RANK="0", **started)
    assert chosen.stat().st_ino != before
