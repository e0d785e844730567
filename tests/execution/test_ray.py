"""The engine of a Ray cluster, on three real nodes: what fails, what is lost, and bad input."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.core.component import make
from pipeline.core.errors import UserError
from pipeline.execution.engine import open_engine
from pipeline.execution.messages import FitError, Killed
from tests.conftest import ROOT
from tests.execution.nodes import Nodes, free_port
from tests.execution.toy import CPU, Toy, num_begun, toys
from tests.execution.toy import execution as local
from tests.training.fits import MIXED, forked_here, job, on_disk, recipe, same, status
from tests.training.test_data import inputs

pytest.importorskip("ray", reason="the engine ray needs the extra convoy[ray]")
pytestmark = pytest.mark.slow
GPU = Hardware(accelerator="gpu")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def large_node(nodes: Nodes) -> Iterator[None]:
    """One more node, of two CPUs, which is told that it has two GPUs."""
    node = nodes.add(num_cpus=2, num_gpus=2)
    yield
    nodes.lose(node)


def execution(address: str, **settings: Any) -> Execution:
    return Execution(engine=make("engine", "ray", address=address, **settings))


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.05)


def pids(works: list[Toy]) -> list[int]:
    """The processes that have worked on these."""
    begun = [Path(work.folder) / "begun" for work in works]
    return [int(pid) for path in begun if path.exists() for pid in path.read_text().split()]


def refusal(settings: Execution, hardware: Hardware = CPU) -> str:
    with pytest.raises(UserError) as refused, open_engine(settings, hardware):
        pass
    return str(refused.value)


def test_failures_are_reported_and_the_others_finish(nodes: Nodes, tmp_path: Path) -> None:
    """What was killed, or asked to leave, as where SLURM ends the time of a node, begins again."""
    works = toys(tmp_path, "well", "mistake", "failure", "killed", "again", "left")
    with open_engine(execution(nodes.address, max_retries=1), CPU) as engine:
        errors = {work.title: error for work, error in engine.run(works)}
        assert [error for _, error in engine.run(works[:1])] == [None]  # done, and not done again
    assert errors["toy 0"] is errors["toy 4"] is errors["toy 5"] is None
    kinds = {title: type(error) for title, error in errors.items() if error}
    assert kinds == {"toy 1": UserError, "toy 2": FitError, "toy 3": Killed}
    assert f"{errors['toy 1']}" == "toys: got a mistake; allowed none"
    assert f"{errors['toy 2']}" == "toy 2: process 0 failed: ValueError: broken"
    assert "terminated by signal 9 (SIGKILL)" in f"{errors['toy 3']}"
    assert [num_begun(work) for work in works] == [1, 1, 1, 2, 3, 2]
    assert [work.is_done for work in works] == [True, False, False, False, True, True]


def test_all_end_where_a_node_is_lost(nodes: Nodes, tmp_path: Path) -> None:
    """Of 20, those that its node was at are begun again on another, and no other is."""
    end = tmp_path / "end"
    works = toys(tmp_path, *["well"] * 20)
    works[10:] = [w.model_copy(update={"waits_for": f"{end}"}) for w in works[10:]]

    def lose() -> None:
        wait_until(lambda: sum(map(num_begun, works)) == 13)
        nodes.lose()
        end.touch()

    other = threading.Thread(target=lose, daemon=True)
    other.start()
    with open_engine(execution(nodes.address), CPU) as engine:
        assert engine.width == 3
        errors = [error for _, error in engine.run(works)]
    other.join()
    nodes.add()
    assert errors == [None] * 20
    assert {(Path(work.folder) / "gpus").read_text() for work in works} == {""}
    assert all(work.is_done for work in works)
    assert sum(map(num_begun, works)) == 21


def test_a_killed_command_leaves_no_process_and_keeps_what_was_done(
    nodes: Nodes, tmp_path: Path
) -> None:
    end = tmp_path / "end"
    works = toys(tmp_path, "well", "well", "well", "well", "well")
    works[1:] = [w.model_copy(update={"waits_for": f"{end}"}) for w in works[1:]]
    files = []
    for work in works:
        files.append(tmp_path / f"{work.title}.json")
        files[-1].write_text(work.model_dump_json())
    settings = execution(nodes.address, parallel_fits=5)  # one of them waits for a node
    module = [sys.executable, "-m", "tests.execution.command", settings.model_dump_json()]
    for times, blow in enumerate((signal.SIGTERM, signal.SIGKILL), start=1):
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}"}
        running = subprocess.Popen([*module, *map(str, files)], env=environment)
        wait_until(lambda: works[0].is_done and sum(map(num_begun, works)) == 1 + 3 * times)  # noqa: B023
        running.send_signal(blow)
        running.wait()
        wait_until(lambda: not any(map(psutil.pid_exists, pids(works))))
    end.touch()
    with open_engine(local(2), CPU) as engine:  # goes on with what the other one has begun
        assert [error for _, error in engine.run(works)] == [None] * 5
    assert num_begun(works[0]) == 1
    assert sum(map(num_begun, works)) == 1 + 3 + 3 + 4


def test_an_address_where_no_cluster_is(monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_port()
    silent = refusal(execution(f"127.0.0.1:{free}"))
    assert f"got '127.0.0.1:{free}', where no Ray cluster answers" in silent
    assert "ray start --head" in silent
    for wrong in ("here", "ray://127.0.0.1:10001", "host:port"):
        assert f"got '{wrong}'; allowed auto, or HOST:PORT" in refusal(execution(wrong))
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free}")
    assert "no Ray cluster answers" in refusal(execution("auto"))


def test_devices_that_no_node_has(nodes: Nodes) -> None:
    ray = execution(nodes.address)
    assert "got gpu, but none of Ray's 3 nodes has a GPU" in refusal(ray, GPU)
    assert "got 2, but no node of Ray has more than 1 CPUs" in refusal(
        ray, Hardware(accelerator="cpu", threads=2)
    )
    assert "got 2, but the engine ray runs each fit on one node" in refusal(
        ray, Hardware(num_nodes=2)
    )
    launcher = ray.model_copy(update={"command": "srun"})
    assert "got 'srun', but Ray starts the fits" in refusal(launcher)


def test_a_node_with_other_code_is_refused_before_any_fit(nodes: Nodes, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pipeline", tmp_path / "old" / "pipeline")
    with (tmp_path / "old/pipeline/core/errors.py").open("a") as changed:
        changed.write("# an older version\n")
    node = nodes.add({"PYTHONPATH": f"{tmp_path / 'old'}"})
    try:
        refused = refusal(execution(nodes.address))
    finally:
        nodes.lose(node)
    assert "it has other versions: pipeline/core/errors.py differs; install the same" in refused


def test_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "Ray is not installed here; run `pip install ray==" in refusal(execution("auto"))


def test_a_gpu_has_as_many_fits_as_it_may_have(
    nodes: Nodes, large_node: None, tmp_path: Path
) -> None:
    works = toys(tmp_path, *["well"] * 4, waits_for=tmp_path / "end")
    with open_engine(execution(nodes.address, fits_per_device=2), GPU) as engine:
        assert engine.width == 4
        other = threading.Thread(target=_touch_when_all_run, args=(works,), daemon=True)
        other.start()
        assert [error for _, error in engine.run(works)] == [None] * 4
    seen = [(Path(work.folder) / "gpus").read_text() for work in works]
    assert sorted(seen) == ["0", "0", "1", "1"]


def _touch_when_all_run(works: list[Toy]) -> None:
    wait_until(lambda: all(map(num_begun, works)))
    Path(works[0].waits_for or "").touch()


def test_a_fit_on_two_devices_of_one_node(nodes: Nodes, large_node: None, tmp_path: Path) -> None:
    """It has the bits that it has without Ray."""
    on_disk(tmp_path, inputs("crop_flip", MIXED))
    assert status(forked_here(tmp_path / "alone", recipe({}), devices=2)) == 0
    fit = job(tmp_path / "ray", recipe({}), devices=2)
    with open_engine(execution(nodes.address), fit.hardware) as engine:
        assert engine.width == 1
        assert [error for _, error in engine.run([fit])] == [None]
    same(tmp_path / "alone", tmp_path / "ray")
