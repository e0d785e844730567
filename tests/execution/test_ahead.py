"""The first entry of a stage does the work of those that DVC runs next; asked of DVC itself."""

import json
import os
import re
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.config.load import load_params
from pipeline.core.files import read_yaml
from pipeline.core.paths import PARAMS_FILE, Layout
from pipeline.execution.cluster.parcels import Packer, unpack
from pipeline.prediction.job import PredictionJob
from pipeline.prediction.run import predict
from tests.conftest import ENDLESS, Workspace, small
from tests.execution.nodes import Nodes
from tests.fork_server import DESCENDING

pytestmark = pytest.mark.slow
MEMBERS = ("cnn_1", "cnn_2", "resnet_1")


def dvc(workspace: Workspace, *command: str, status: int = 0) -> str:
    """Run a real process of DVC, from which stages descend; return what it printed."""
    return workspace.run("dvc", *command, status=status, **{DESCENDING: "1"})


def width(num: int) -> Callable[[dict[str, Any]], None]:
    engine = {"name": "local", "parallel_fits": num}
    return lambda tree: tree.update(execution={"engine": engine})


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which all is done that training needs."""
    made = Workspace(tmp_path_factory.mktemp("ahead") / "work")
    made.edit(small)

    def three(tree: dict[str, Any]) -> None:
        tree["recipes"]["cnn"].pop("search")
        seeds = {name: {"recipe": name[:-2], "seed": int(name[-1])} for name in MEMBERS}
        tree["members"] = seeds

    made.edit(three)
    made.edit(width(2))
    dvc(made, "repro", "search")
    return made


@pytest.fixture(scope="module")
def trained(searched: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """The workspace after `dvc repro predict` with two fits at once, and what that printed."""
    made = searched.copied(tmp_path_factory.mktemp("trained") / "work")
    return made, dvc(made, "repro", "predict")


@pytest.fixture
def fresh(searched: Workspace, tmp_path: Path) -> Workspace:
    """A workspace in which no member is trained yet."""
    return searched.copied(tmp_path / "work")


def outputs(workspace: Workspace, stages: str = "train|predict") -> dict[str, str]:
    """DVC's hash of every output of these stages."""
    entries = read_yaml(workspace.folder / "dvc.lock")["stages"]
    return {
        out["path"]: out["md5"]
        for name, entry in entries.items()
        if re.match(stages, name)
        for out in entry["outs"]
    }


def first_epochs(printed: str) -> list[str]:
    """The members whose training began, in that order."""
    return re.findall(r"train (\w+)  epoch 1/", printed)


def test_the_first_entry_trains_all_that_are_due(trained: tuple[Workspace, str]) -> None:
    workspace, printed = trained
    second = printed.index("Running stage 'train@cnn_2'")
    assert sorted(first_epochs(printed[:second])) == list(MEMBERS)
    assert first_epochs(printed[second:]) == []
    for stage in ("train", "predict"):  # each entry of them ran, and left nothing behind
        assert len(re.findall(f"Running stage '{stage}@", printed)) == len(MEMBERS)
        assert not list(workspace.folder.glob(f".convoy/work/{stage}/*/*"))
        for member in MEMBERS:  # which a second process would have written again
            run = workspace.folder / "artifacts/runs" / stage / member
            lines = (run / "metrics.jsonl").read_text().splitlines()
            assert len(set(lines)) == len(lines) > 3


SAME = """
from pipeline.config.load import parse_params
from pipeline.core.stage import run, turn

def main(stage):
    assert turn("train", stage.key) == stage.own
    raise SystemExit(7)

run("train", parse_params, main)
"""


def test_an_entry_finds_the_work_that_another_does_for_it(fresh: Workspace) -> None:
    """Else it starts a process to find that nothing is left to do, which takes five seconds."""
    assert fresh.run("python", "-c", SAME, "cnn_2", status=7) == ""


def test_the_width_of_the_engine_changes_no_bit(
    trained: tuple[Workspace, str], fresh: Workspace
) -> None:
    fresh.edit(width(1))
    dvc(fresh, "repro", "predict")
    assert outputs(fresh) == outputs(trained[0])


def test_a_cluster_changes_no_bit(
    trained: tuple[Workspace, str], fresh: Workspace, nodes: Nodes
) -> None:
    """Also where its nodes share no disk, so that all that is read and written travels."""
    engine = {"name": "ray", "address": nodes.address, "shared_disk": False, "parallel_fits": 2}
    fresh.edit(lambda tree: tree.update(execution={"engine": engine}))
    dvc(fresh, "repro", "train")
    assert outputs(fresh, "train") == outputs(trained[0], "train")


def test_a_prediction_reads_nothing_but_its_inputs(
    trained: tuple[Workspace, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that has them alone, as where nodes share no disk, it has the same bits."""
    monkeypatch.setattr(tempfile, "tempdir", f"{tmp_path}")
    monkeypatch.chdir(trained[0].folder)
    job = PredictionJob(
        title="predict cnn_1",
        hardware=load_params(PARAMS_FILE).hardware,
        folder="work",
        spool="work/run",
        run={"name": "cnn_1", "fingerprint": "f"},
        member="cnn_1",
        networks=f"{Layout().member('cnn_1')}",
        test_time=load_params(PARAMS_FILE).prediction.of("cnn_1"),
    )
    unpack(Packer(lambda content: content).pack(job), tmp_path, lambda content: content)
    monkeypatch.chdir(tmp_path)
    job.prepare()
    predict(job, Layout())
    for split in ("val", "test"):
        there = Layout(trained[0].folder).predictions("cnn_1", split)
        assert job.outputs.predictions("cnn_1", split).read_bytes() == there.read_bytes()


def test_one_member_alone_is_trained_alone(
    trained: tuple[Workspace, str], fresh: Workspace
) -> None:
    printed = dvc(fresh, "repro", "train@cnn_2")
    assert first_epochs(printed) == ["cnn_2"]
    assert outputs(fresh).items() < outputs(trained[0]).items()


def test_what_was_finished_ahead_outlives_a_kill(
    trained: tuple[Workspace, str], fresh: Workspace
) -> None:
    running = fresh.start("dvc", "repro", "train")
    done = fresh.folder / ".convoy/work/train"
    while not list(done.glob("*/*/fold_0/done")):
        assert running.poll() is None
        time.sleep(0.02)
    finished = [path.parts[-4] for path in done.glob("*/*/fold_0/done")]
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    printed = dvc(fresh, "repro", "predict")
    assert not set(finished) & set(first_epochs(printed))
    assert outputs(fresh) == outputs(trained[0])


def test_a_member_that_fails_is_reported_at_once_and_stops_none(
    trained: tuple[Workspace, str], fresh: Workspace
) -> None:
    """Its own entry fails later, with its own error, after the others have their members."""

    def diverge(tree: dict[str, Any]) -> None:
        tree["recipes"]["resnet"]["training"].update(lr=1e30, optimiser={"name": "sgd"})

    fresh.edit(diverge)
    dvc(fresh, "repro", "search")
    printed = dvc(fresh, "repro", "train", status=255)
    ahead, own = printed.split("Running stage 'train@resnet_1'")
    if "Running stage 'train@" in ahead:
        assert "train resnet_1: the loss is not finite in step" in ahead
    assert "train: " in own
    assert outputs(fresh, "train@cnn").items() <= outputs(trained[0]).items()


def planned(workspace: Workspace, stage: str, *command: str) -> list[str]:
    module = ("python", "-m", "pipeline.execution.planned", stage, *command)
    keys: list[str] = json.loads(workspace.run(*module))
    return sorted(keys)


def test_what_dvc_is_going_to_run(trained: tuple[Workspace, str], tmp_path: Path) -> None:
    """As DVC sees it: targets, what has changed, and inputs that are still to come."""
    copy = trained[0].copied(tmp_path / "work")
    assert planned(copy, "train", "repro") == []
    assert planned(copy, "train", "repro", "--force") == list(MEMBERS)
    assert planned(copy, "train", "repro", "-f", "train@cnn_2") == ["cnn_2"]
    copy.edit(lambda tree: tree["members"]["cnn_2"].update(seed=5))
    assert planned(copy, "train", "repro", "evaluate") == ["cnn_2"]
    assert planned(copy, "train", "exp", "run", "predict@cnn_1") == []
    assert planned(copy, "predict", "repro") == []  # its member is not trained yet
    dvc(copy, "repro", "train@cnn_2")
    assert planned(copy, "predict", "repro") == ["cnn_2"]
    copy.edit(lambda tree: tree["members"]["cnn_2"].update(seed=6))
    copy.edit(lambda tree: tree["recipes"]["resnet"]["training"].update(lr=0.1))
    dvc(copy, "repro", "components")  # which comes first
    assert planned(copy, "train", "repro") == ["cnn_2"]  # a search comes before resnet_1
    copy.edit(lambda tree: tree["members"]["cnn_2"].update(seed=2))
    assert planned(copy, "train", "repro") == []  # DVC has kept what this seed gave
    assert planned(copy, "train", "repro", "--no-run-cache") == ["cnn_2"]


def test_a_stage_by_hand_works_for_itself_alone(fresh: Workspace) -> None:
    assert first_epochs(fresh.stage("train", "cnn_1")) == ["cnn_1"]


def test_two_commands_side_by_side_train_no_member_twice(
    trained: tuple[Workspace, str], fresh: Workspace
) -> None:
    """DVC itself refuses one of them where both want the same entry; nothing is lost by that."""
    forking = {"PATH": fresh.forking()["PATH"], DESCENDING: "1"}
    first = fresh.start("dvc", "repro", "train", **forking)
    while not list(fresh.folder.glob(".convoy/work/train/cnn_2/*/fold_0/progress.json")):
        assert first.poll() is None
        time.sleep(0.02)
    second = fresh.start("dvc", "repro", "train@cnn_2", **forking)
    printed = [running.communicate()[0] for running in (first, second)]
    for running, text in zip((first, second), printed, strict=True):
        assert running.returncode == 0 or "is busy" in text, text
    printed.append(dvc(fresh, "repro", "predict"))
    assert sorted(first_epochs("".join(printed))) == list(MEMBERS)
    assert outputs(fresh) == outputs(trained[0])


@pytest.mark.parametrize("after_s", [0.2, 1.0])
def test_ctrl_c_while_the_fork_server_imports_is_no_traceback(
    after_s: float, fresh: Workspace
) -> None:
    stage = fresh.start("python", "-m", "stages.train", "cnn_1")
    own = psutil.Process(stage.pid)
    while not any("forkserver" in " ".join(child.cmdline()) for child in own.children()):
        assert stage.poll() is None
        time.sleep(0.01)
    time.sleep(after_s)
    os.killpg(stage.pid, signal.SIGINT)
    assert "Traceback" not in stage.communicate()[0]
    assert stage.returncode in (130, 0)  # where it was done already


@pytest.fixture(scope="module")
def endless(searched: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which the next training has no end."""
    made = searched.copied(tmp_path_factory.mktemp("endless") / "work")
    made.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(ENDLESS))
    dvc(made, "repro", "search")
    return made


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_command_stops_all_fits(
    blow: signal.Signals, endless: Workspace, tmp_path: Path
) -> None:
    fresh = endless.copied(tmp_path / "work")
    running = fresh.start("dvc", "repro", "train")
    while len(list(fresh.folder.glob(".convoy/work/train/*/*/fold_0/progress.json"))) < 2:
        assert running.poll() is None
        time.sleep(0.02)
    os.killpg(running.pid, blow)
    printed = running.communicate()[0]
    assert "Traceback" not in printed
    found = [p for p in Path("/proc").glob("[0-9]*/cwd") if _points_to(p, fresh.folder)]
    assert not found


def _points_to(link: Path, folder: Path) -> bool:
    try:
        return link.resolve() == folder.resolve()
    except OSError:
        return False
