"""Nodes of Ray that share no disk: inputs travel to each once, outputs come back, fits go on."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.execution import Execution
from pipeline.core.component import make
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.run_log import Figure, Spool
from pipeline.execution.cluster.parcels import write
from pipeline.execution.engine import open_engine
from pipeline.execution.work import Work
from tests.execution.count import STOP, count
from tests.execution.nodes import Nodes
from tests.execution.toy import CPU, execution
from tests.training.fits import MIXED, job, on_disk, recipe, same
from tests.training.test_data import inputs

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def unshared(nodes: Nodes, **settings: Any) -> Execution:
    return Execution(
        engine=make("engine", "ray", address=nodes.address, shared_disk=False, **settings)
    )


def run(settings: Execution, *batches: list[Any]) -> None:
    """Run works that all have to succeed, each list after the one before it."""
    with open_engine(settings, CPU) as engine:
        for works in batches:
            assert [error for _, error in engine.run(works)] == [None] * len(works)


def test_inputs_travel_once_and_outputs_come_back(nodes: Nodes) -> None:
    """What is read is told by its content: a changed file is another one."""
    given, go = Path("given"), Path("/")
    with open_engine(unshared(nodes), CPU) as engine:
        for turn, content in enumerate(("one", "two", "one")):
            given.write_text(content)
            works = [count(4 * turn + number, given, go) for number in range(4)]
            for work, error in engine.run(works):
                assert error is None
                assert work.is_done
                assert read_json(work.result) == {"begun": 0, "read": content}
                assert Spool(Path(work.spool)).figures() == [Figure("begun", 0.0, 0)]
    kept = [sorted(p.name for p in disk.glob("convoy-*/*")) for disk in nodes.disks]
    assert [names for names in kept if names] == [["inputs"]] * 3  # and no work is left behind
    for disk in nodes.disks:
        copies = [path.read_text() for path in disk.glob("convoy-*/inputs/*[!k]")]
        assert len(copies) == len(set(copies)) <= 2


def test_a_fit_on_a_lost_node_goes_on_elsewhere(nodes: Nodes, tmp_path: Path) -> None:
    given, go, stored = Path("given"), tmp_path / "go", tmp_path / "stored"
    given.write_text("one")
    works = [count(number, given, go) for number in range(3)]

    def lose() -> None:
        while sorted(_stored(stored)) != [STOP] * 3:
            time.sleep(0.05)
        nodes.lose()
        go.touch()

    other = threading.Thread(target=lose, daemon=True)
    other.start()
    run(unshared(nodes, checkpoint_url=f"file://{stored}"), works)
    other.join()
    nodes.add()
    assert sorted(read_json(work.result)["begun"] for work in works) == [0, 0, STOP]
    assert not list(stored.rglob("*.*"))  # what has ended leaves no checkpoint there


def _stored(folder: Path) -> list[int]:
    """The number that each work has reached, as far as it is stored."""
    found = []
    for path in folder.rglob("list.json"):
        (changed_ns,) = json.loads(path.read_text()).values()
        found.append(int((path.parent / f"{changed_ns}-epoch.ckpt").read_text()))
    return found


def test_fits_have_the_bits_of_the_engine_of_one_machine(nodes: Nodes, tmp_path: Path) -> None:
    """Also one that goes on later, on whichever node, as halving has it."""
    on_disk(tmp_path, inputs("crop_flip", MIXED))
    for engine, settings in (("local", execution(2)), ("ray", unshared(nodes))):
        first, second = (job(Path(engine) / f"{seed}", recipe({}), seed=seed) for seed in (1, 2))
        begun = second.model_copy(update={"until_epoch": 1, "network": None})
        run(settings, [first, begun], [second])
    for seed in ("1", "2"):
        same(Path("local") / seed, Path("ray") / seed)


def refusal(settings: Execution, *works: Work) -> str:
    with pytest.raises(UserError) as refused, open_engine(settings, CPU) as engine:
        list(engine.run(works))
    return str(refused.value)


def test_what_cannot_work_is_refused_before_any_fit(nodes: Nodes, tmp_path: Path) -> None:
    assert "got 'nowhere://x': Protocol not known: nowhere; name a folder" in refusal(
        unshared(nodes, checkpoint_url="nowhere://x")
    )
    assert "got '/proc/x': cannot be written" in refusal(unshared(nodes, checkpoint_url="/proc/x"))
    given = tmp_path / "given"
    given.touch()
    assert "given: lies outside the repository" in refusal(unshared(nodes), count(0, given, given))


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / f"network.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"network: the disk of .* is full; free some space"):
        write({"network": b"weights"}, tmp_path)
    assert not list(tmp_path.iterdir())
