"""MLflow is a mirror: it fills itself, forgets nothing, repeats nothing, and may be away."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path
from socket import gethostname
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline.core.component import names
from pipeline.core.files import read_json, read_yaml
from tests.conftest import Workspace

EXPECTED = Counter(
    {
        "pipeline": 1,
        "preprocess": 1,
        "augment": 1,
        "search": 2 + 2,  # two recipes, and the two trials of one
        "train": 2,
        "soup": 1,
        "predict": 2,
        "ensemble": 1,
        "evaluate": 1 + 2 + len(names("method")),  # members and ensembles
        "inspect": 1,
        "report": 1,
        "package": 1,
    }
)


def live(tree: dict[str, Any]) -> None:
    """Show stages while they run, as the default does and the small parameters do not."""
    del tree["tracking"]


def client(workspace: Workspace) -> MlflowClient:
    address = f"sqlite:///{workspace.folder / 'mlflow.db'}"
    return MlflowClient(tracking_uri=address, registry_uri=address)


def runs(api: MlflowClient) -> list[Run]:
    experiment = api.get_experiment_by_name("convoy")
    assert experiment
    return list(api.search_runs([experiment.experiment_id], max_results=1000))


def content(api: MlflowClient) -> dict[str, object]:
    """All that a run says, by its name, without ids and times."""
    names = {run.info.run_id: run.info.run_name for run in runs(api)}
    message = {}
    for run in runs(api):
        histories = {
            key: [(m.step, m.value) for m in api.get_metric_history(run.info.run_id, key)]
            for key in run.data.metrics
            if not key.startswith("system/")  # of the machine, while a stage is shown live
        }
        own = run.data.tags.items()
        tags = {k: v for k, v in own if not k.startswith("mlflow.") and k != "convoy.process"}
        parent = names.get(run.data.tags.get("mlflow.parentRunId", ""))
        files = sorted(f.path for f in api.list_artifacts(run.info.run_id))
        message[run.info.run_name] = (
            run.data.params, tags, histories, parent, run.info.status, files,
        )  # fmt: skip
    return message


@pytest.mark.slow
def test_one_run_for_each_entry_nested_under_one_parent(reproduced: Workspace) -> None:
    found = runs(client(reproduced))
    assert Counter(run.data.tags["convoy.stage"] for run in found) == EXPECTED
    assert {run.info.status for run in found} == {"FINISHED"}
    names = {run.info.run_id: run.info.run_name for run in found}
    by_name = {run.info.run_name: run for run in found}
    parents = {n: names.get(r.data.tags.get("mlflow.parentRunId")) for n, r in by_name.items()}
    assert parents["search/cnn/trial_001"] == "search/cnn"
    assert parents["evaluate/mean"] == "evaluate"
    (top,) = [name for name, parent in parents.items() if parent is None]
    assert re.fullmatch(r"digits 0\.\d{4} · [0-9a-f]{7}-dirty", top)
    assert parents["train/cnn_1"] == parents["preprocess"] == parents["package"] == top
    assert by_name["train/cnn_1"].data.params["members.cnn_1.recipe"] == "cnn"
    assert set(by_name["train/cnn_1"].data.metrics) >= {"val/accuracy", "train/loss"}
    assert set(by_name["evaluate/mean"].data.metrics) >= {"test/accuracy", "test/accuracy_low"}
    shown = client(reproduced).list_artifacts(by_name["report"].info.run_id)
    assert {"index.html", "confusion.svg", "learning_curves.svg", "roc.svg"} <= {
        file.path for file in shown
    }


@pytest.mark.slow
def test_no_run_ends_before_it_begins(reproduced: Workspace) -> None:
    for run in runs(client(reproduced)):
        assert run.info.start_time <= run.info.end_time, run.info.run_name


@pytest.mark.slow
def test_runs_name_the_data_that_they_read(reproduced: Workspace) -> None:
    by_name = {run.info.run_name: run for run in runs(client(reproduced))}
    outs = read_yaml(reproduced.folder / "dvc.lock")["stages"]["preprocess"]["outs"]
    hashes = {out["path"]: out["md5"].removesuffix(".dir") for out in outs}
    trained, measured = (
        {i.dataset.name: i.dataset for i in by_name[name].inputs.dataset_inputs}
        for name in ("train/cnn_1", "evaluate/mean")
    )
    assert set(trained) == {"digits trainval"}
    assert set(measured) == {"digits trainval", "digits test"}
    assert measured["digits test"].digest == hashes["data/processed/test"]
    card = read_json(reproduced.folder / "data/processed/card.json")
    profile = json.loads(measured["digits test"].profile)
    assert profile["num_images_by_class"] == {"test": card["counts"]["test"]}
    assert profile["num_images"] == {"test": sum(card["counts"]["test"].values())}


@pytest.mark.slow
def test_members_and_ensembles_are_models_with_metrics_on_their_data(reproduced: Workspace) -> None:
    api = client(reproduced)
    experiment = api.get_experiment_by_name("convoy")
    assert experiment
    found = {model.name: model for model in api.search_logged_models([experiment.experiment_id])}
    assert set(found) == {"cnn_1", "resnet_1", *names("method")}
    assert found["mean"].tags["convoy.members"] == "cnn_1, resnet_1"
    assert "mean" in found["cnn_1"].tags["convoy.in_ensembles"].split(", ")
    by_id = {run.info.run_id: run.info.run_name for run in runs(api)}
    assert by_id[found["cnn_1"].source_run_id] == "train/cnn_1"
    assert by_id[found["mean"].source_run_id] == "ensemble"
    for name, model in found.items():
        (metric,) = [m for m in model.metrics if m.key == "test/accuracy"]
        metrics = read_json(reproduced.folder / f"reports/metrics/{name}.json")
        assert metric.value == metrics["accuracy"]
        assert metric.dataset_name == "digits test"


@pytest.mark.slow
def test_one_column_orders_states_ensembles_and_members(reproduced: Workspace) -> None:
    api = client(reproduced)
    experiment = api.get_experiment_by_name("convoy")
    assert experiment
    found = api.search_runs(
        [experiment.experiment_id],
        "metrics.`test/accuracy` > 0",
        order_by=["metrics.`test/accuracy` DESC"],
    )
    values = [run.data.metrics["test/accuracy"] for run in found]
    assert values == sorted(values, reverse=True)
    stages = Counter(run.data.tags["convoy.stage"] for run in found)
    assert stages == {"pipeline": 1, "evaluate": EXPECTED["evaluate"]}
    (state,) = (run for run in found if run.data.tags["convoy.stage"] == "pipeline")
    assert state.data.params["recipes.resnet.model.name"] == "resnet"  # so that states compare
    assert not any(key.startswith(("tracking", "execution")) for key in state.data.params)


@pytest.mark.slow
def test_artifacts_of_an_earlier_state_are_left_out(copy: Workspace) -> None:
    """A parameter has changed, and nothing has run since."""
    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(lr=0.007))
    before = content(client(copy))
    assert copy.run("convoy", "sync").endswith("6 runs\n")
    after = content(client(copy))
    (new,) = set(after) - set(before)
    assert re.fullmatch(r"digits · [0-9a-f]{7}-dirty", new)
    assert {name for name, found in after.items() if found[3] == new} == {
        "preprocess", "augment", "search/resnet", "train/resnet_1", "predict/resnet_1",
    }  # fmt: skip
    api = client(copy)
    (run,) = [run for run in runs(api) if run.info.run_name == new]
    assert "Not evaluated yet." in run.data.tags["mlflow.note.content"]
    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(lr=0.005))
    copy.run("convoy", "sync")
    back = content(client(copy))
    assert {name: back[name] for name in before} == before


@pytest.mark.slow
def test_a_run_whose_process_is_gone_is_closed(copy: Workspace) -> None:
    api = client(copy)
    experiment = api.get_experiment_by_name("convoy")
    assert experiment
    ended = subprocess.Popen(["true"])
    ended.wait()
    here, elsewhere = f"{gethostname()} {ended.pid} 1", f"far {ended.pid} 1"
    alive = f"{gethostname()} {os.getpid()} {psutil.Process().create_time():.0f}"
    made = {
        process: api.create_run(
            experiment.experiment_id,
            tags={"convoy.fingerprint": process, "convoy.process": process},
        ).info.run_id
        for process in (here, elsewhere, alive)
    }
    copy.run("convoy", "sync")
    statuses = [api.get_run(made[process]).info.status for process in (here, elsewhere, alive)]
    assert statuses == ["KILLED", "RUNNING", "RUNNING"]


@pytest.mark.slow
def test_the_packaged_model_is_registered_once(copy: Workspace) -> None:
    copy.run("python", "-m", "pipeline", "sync")
    versions = client(copy).search_model_versions("name = 'convoy'")
    assert len(versions) == 1
    assert Path(versions[0].source.removeprefix("file://"), "MLmodel").is_file()


@pytest.mark.slow
def test_the_same_work_is_one_run_however_often_it_is_started(copy: Workspace) -> None:
    before = content(client(copy))
    copy.edit(live)
    copy.run("dvc", "repro", "-f", "-s", "train@cnn_1")
    assert content(client(copy)) == before


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
def test_a_dead_server_costs_a_warning_and_sync_makes_up_for_it(workspace: Workspace) -> None:
    workspace.edit(live)
    address = f"http://127.0.0.1:{free_port()}"
    printed = workspace.stage("preprocess", MLFLOW_TRACKING_URI=address)
    (message,) = [line for line in printed.splitlines() if not line.startswith("preprocess  ")]
    assert message.startswith("tracking: ")
    assert "`python -m pipeline sync`" in message
    assert (workspace.folder / "data/processed/card.json").is_file()
    refused = workspace.run(
        "python", "-m", "pipeline", "sync", status=1, MLFLOW_TRACKING_URI=address
    )
    assert refused.startswith(f"tracking: {address}: ")
    assert refused.count("\n") == 1
    workspace.run("python", "-m", "pipeline", "sync")
    assert {run.info.run_name for run in runs(client(workspace))} >= {"preprocess"}


@pytest.mark.slow
def test_a_real_server_is_filled_through_its_address(copy: Workspace) -> None:
    port = free_port()
    server = copy.start("python", "-m", "pipeline", "ui", "--port", str(port))
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(port)
        copy.run("python", "-m", "pipeline", "sync", MLFLOW_TRACKING_URI=address)
        assert len(runs(MlflowClient(tracking_uri=address))) == EXPECTED.total()
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def wait_for(port: int) -> None:
    for _ in range(120):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"nothing listens on {port}")


@pytest.mark.slow
def test_stages_that_start_at_once_share_a_fresh_database(workspace: Workspace) -> None:
    """sqlite is broken for good by two processes that create it at once."""
    workspace.edit(live)
    commands = [workspace.fork("python", "-m", "stages.preprocess")]
    commands += [workspace.fork("python", "-m", "pipeline", "sync") for _ in range(3)]
    printed = [command.communicate(timeout=120)[0] for command in commands]
    assert [command.returncode for command in commands] == [0] * 4, printed
    assert not any("Error" in text or "tracking:" in text for text in printed), printed
    workspace.run("python", "-m", "pipeline", "sync")
    assert len([r for r in runs(client(workspace)) if r.info.run_name == "preprocess"]) == 1


@pytest.mark.slow
def test_what_is_kept_of_a_run_names_no_path_of_this_machine(reproduced: Workspace) -> None:
    files = list((reproduced.folder / "artifacts/runs").rglob("*.json*"))
    assert len(files) > EXPECTED.total()
    assert not any(str(reproduced.folder) in file.read_text() for file in files)
