"""The engine of a Ray cluster, on three real nodes: what fails, what is lost, and bad input."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
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

pytest.importorskip("ray", reason="the engine ray needs the extra convoy[ray]")
pytestmark = pytest.mark.slow
GPU = Hardware(accelerator="gpu")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def execution(address: str, **settings: Any) -> Execution:
    return Execution(engine=make("engine", "ray", address=address, **settings))


def run(nodes: Nodes, works: list[Toy], **settings: Any) -> dict[str, Exception | None]:
    """The error of each, by title."""
    with open_engine(execution(nodes.address, **settings), CPU) as engine:
        return {work.title: error for work, error in engine.run(works)}


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
    works = toys(tmp_path, "well", "mistake", "failure", "killed", "again")
    errors = run(nodes, works, max_retries=1)
    assert errors["toy 0"] is errors["toy 4"] is None
    kinds = {title: type(error) for title, error in errors.items() if error}
    assert kinds == {"toy 1": UserError, "toy 2": FitError, "toy 3": Killed}
    assert f"{errors['toy 1']}" == "toys: got a mistake; allowed none"
    assert f"{errors['toy 2']}" == "toy 2: process 0 failed: ValueError: broken"
    assert "terminated by signal 9 (SIGKILL)" in f"{errors['toy 3']}"
    assert [num_begun(work) for work in works] == [1, 1, 1, 2, 3]
    assert [work.is_done for work in works] == [True, False, False, False, True]
    again = run(nodes, works[:2])
    assert again["toy 0"] is None
    assert num_begun(works[0]) == 1  # what is done is not done again


def test_all_end_where_a_node_is_lost(nodes: Nodes, tmp_path: Path) -> None:
    """Of 20, those that its node was at are begun again on another, and no other is."""
    end = tmp_path / "end"
    works = toys(tmp_path, *["well"] * 20)
    works[10:] = [w.model_copy(update={"waits_for": f"{end}"}) for w in works[10:]]

    def lose() -> None:
        wait_until(lambda: sum(map(num_begun, works)) == 13)
        running = pids(works[10:])
        nodes.lose()
        wait_until(lambda: not all(map(psutil.pid_exists, running)))
        end.touch()

    other = threading.Thread(target=lose, daemon=True)
    other.start()
    errors = run(nodes, works)
    other.join()
    nodes.add()
    assert list(errors.values()) == [None] * 20
    assert all(work.is_done for work in works)
    assert sum(map(num_begun, works)) == 21


def test_a_fit_that_was_asked_to_leave_goes_on(nodes: Nodes, tmp_path: Path) -> None:
    """As where SLURM ends the time of one node: Ray starts it again."""
    (work,) = toys(tmp_path, "well", waits_for=tmp_path / "end")

    def leave() -> None:
        wait_until(lambda: num_begun(work) == 1)
        os.kill(pids([work])[0], signal.SIGTERM)
        wait_until(lambda: num_begun(work) == 2)
        (tmp_path / "end").touch()

    other = threading.Thread(target=leave, daemon=True)
    other.start()
    assert run(nodes, [work]) == {"toy 0": None}
    other.join()


def test_leaving_the_engine_ends_what_runs_and_waits(nodes: Nodes, tmp_path: Path) -> None:
    works = toys(tmp_path, *["well"] * 8, waits_for=tmp_path / "end")
    works[0] = works[0].model_copy(update={"waits_for": None})
    settings = execution(nodes.address, parallel_fits=8)
    with open_engine(settings, CPU) as engine:
        assert engine.width == 8
        first, error = next(iter(engine.run(works)))
        assert (first, error) == (works[0], None)
        wait_until(lambda: sum(map(num_begun, works)) == 4)
    assert not any(map(psutil.pid_exists, pids(works)))
    assert sum(map(num_begun, works)) == 4
    with open_engine(settings, CPU) as engine:
        assert engine.width == 8


@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_killed_command_leaves_no_process_and_keeps_what_was_done(
    blow: signal.Signals, nodes: Nodes, tmp_path: Path
) -> None:
    end = tmp_path / "end"
    works = toys(tmp_path, "well", "well", "well", "well")
    works[1:] = [w.model_copy(update={"waits_for": f"{end}"}) for w in works[1:]]
    files = []
    for work in works:
        files.append(tmp_path / f"{work.title}.json")
        files[-1].write_text(work.model_dump_json())
    settings = execution(nodes.address).model_dump_json()
    command = [sys.executable, "-m", "tests.execution.command", settings, *map(str, files)]
    running = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": f"{ROOT}"})
    wait_until(lambda: works[0].is_done and sum(map(num_begun, works)) == 4)
    running.send_signal(blow)
    running.wait()
    wait_until(lambda: not any(map(psutil.pid_exists, pids(works))))
    end.touch()
    assert set(run(nodes, works).values()) == {None}
    assert [num_begun(work) for work in works] == [1, 2, 2, 2]


def test_as_many_run_at_once_as_the_nodes_have_room_for(nodes: Nodes) -> None:
    with open_engine(execution(nodes.address), CPU) as engine:
        assert engine.width == 3
    with open_engine(execution(nodes.address, parallel_fits=2), CPU) as engine:
        assert engine.width == 2


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


def test_no_two_fits_share_a_gpu_unless_they_may(nodes: Nodes, tmp_path: Path) -> None:
    """The node is told that it has GPUs; which of them a fit may see is for Ray to say."""
    node = nodes.add(num_gpus=2)
    try:
        for num, fits_per_device, settings in ((2, 1, {}), (4, 2, {"fits_per_device": 2})):
            works = toys(tmp_path / f"{num}", *["well"] * num, waits_for=tmp_path / f"end_{num}")
            with open_engine(execution(nodes.address, **settings), GPU) as engine:
                assert engine.width == num
                ends = engine.run(works)
                other = threading.Thread(target=_touch_when_all_run, args=(works,), daemon=True)
                other.start()
                assert [error for _, error in ends] == [None] * num
                other.join()
            seen = [(Path(work.folder) / "gpus").read_text() for work in works]
            assert sorted(seen) == sorted(["0", "1"] * fits_per_device)
    finally:
        nodes.lose(node)


def _touch_when_all_run(works: list[Toy]) -> None:
    wait_until(lambda: all(map(num_begun, works)))
    Path(works[0].waits_for or "").touch()


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
