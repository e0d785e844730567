"""Nodes of Ray that share no disk: inputs travel to each once, outputs come back, fits go on."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.execution import Execution
from pipeline.core.component import make
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.run_log import Figure, Spool
from pipeline.execution.cluster.parcels import Packer, write
from pipeline.execution.engine import Engine, open_engine
from pipeline.execution.job import Job
from tests.execution.count import STOP, count
from tests.execution.nodes import Nodes
from tests.execution.toy import CPU
from tests.training.fits import MIXED, fit_here, job, on_disk, recipe, same
from tests.training.test_data import inputs

pytest.importorskip("ray", reason="the engine ray needs the extra convoy[ray]")
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(engine: Engine, works: list[Any]) -> None:
    """Run works that all have to succeed."""
    assert [error for _, error in engine.run(works)] == [None] * len(works)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder to which checkpoints are copied."""
    return tmp_path_factory.mktemp("stored")


@pytest.fixture(scope="module")
def engine(nodes: Nodes, stored: Path) -> Iterator[Engine]:
    ray = make(
        "engine", "ray", address=nodes.address, shared_disk=False, checkpoint_url=f"file://{stored}"
    )
    with open_engine(Execution(engine=ray), CPU) as opened:
        yield opened


def test_fits_have_the_bits_that_they_have_here(engine: Engine, tmp_path: Path) -> None:
    """Also one that goes on later, in another folder, as halving has it."""
    given = inputs("crop_flip", MIXED)
    on_disk(tmp_path, given)
    here, there = _fits(Path("here")), _fits(Path("there"))
    for fit in here:
        fit_here(fit, given)
    for fit in there:
        run(engine, [fit])
    for seed in ("1", "2"):
        same(Path("here") / seed, Path("there") / seed)


def _fits(folder: Path) -> list[Job]:
    first, second = (job(folder / f"{seed}", recipe({}), seed=seed) for seed in (1, 2))
    return [first, second.model_copy(update={"until_epoch": 1, "network": None}), second]


def test_inputs_travel_once_and_outputs_come_back(engine: Engine, nodes: Nodes) -> None:
    """What is read is known by its content: a changed file is another one."""
    given, go, kept = Path("given"), Path("/"), dict[Path, int]()
    for turn, content in enumerate(("one", "two", "one")):
        given.write_text(content)
        works = [count(4 * turn + number, given, go) for number in range(4)]
        run(engine, works)
        for work in works:
            assert work.is_done
            assert read_json(work.result) == {"begun": 0, "read": content}
            assert Spool(Path(work.spool)).figures() == [Figure("begun", 0.0, 0)]
        assert kept.items() <= (kept := _inputs(nodes)).items()  # nothing was sent again
    left = {path.name for disk in nodes.disks for path in disk.glob("convoy-*/*")}
    assert left == {"inputs"}  # no work is


def _inputs(nodes: Nodes) -> dict[Path, int]:
    """When each input was written on the disk of its node."""
    found = (path for disk in nodes.disks for path in disk.glob("convoy-*/inputs/*"))
    return {path: path.stat().st_mtime_ns for path in found if path.suffix != ".lock"}


def test_a_fit_on_a_lost_node_goes_on_elsewhere(
    engine: Engine, nodes: Nodes, stored: Path, tmp_path: Path
) -> None:
    given, go = Path("given"), tmp_path / "go"
    given.write_text("one")
    works = [count(number, given, go) for number in range(3)]

    def lose() -> None:
        while sorted(_stored(stored)) != [STOP] * 3:
            time.sleep(0.05)
        nodes.lose()
        go.touch()

    other = threading.Thread(target=lose, daemon=True)
    other.start()
    run(engine, works)
    other.join()
    nodes.add()
    assert sorted(read_json(work.result)["begun"] for work in works) == [0, 0, STOP]
    assert not list(stored.rglob("*.*"))  # what has ended leaves no checkpoint there


def _stored(folder: Path) -> list[int]:
    """The number that each work has reached, as far as it is stored."""
    found = []
    for path in folder.rglob("list.json"):
        with suppress(FileNotFoundError):  # it has just been replaced
            (changed_ns,) = json.loads(path.read_text()).values()
            found.append(int((path.parent / f"{changed_ns}-epoch.ckpt").read_text()))
    return found


@pytest.mark.parametrize(
    ("url", "why"),
    [("nowhere://x", "Protocol not known: nowhere; name"), ("/proc/x", "cannot be written")],
)
def test_an_address_that_cannot_be_written(url: str, why: str) -> None:
    ray = make("engine", "ray", shared_disk=False, checkpoint_url=url)
    with (
        pytest.raises(UserError, match=f"got '{url}': {why}"),
        open_engine(Execution(engine=ray), CPU),
    ):
        pass


def test_inputs_have_to_lie_in_the_repository(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.touch()
    with pytest.raises(UserError, match="given: lies outside the repository"):
        Packer(lambda content: content).pack(count(0, given, given))


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / f"network.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"network: the disk of .* is full; free some space"):
        write({"network": b"weights"}, tmp_path)
    assert not list(tmp_path.iterdir())
