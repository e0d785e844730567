"""A study that several workers share in a real PostgreSQL: exact totals, losses, and no secret."""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import UserError
from pipeline.search.choice import choose
from pipeline.search.shared import SharedStorage
from pipeline.search.trial import Ended, Fit, Trial
from tests.conftest import ROOT, forking_python
from tests.postgresql import PASSWORD, SPELT, Server, serve
from tests.search.toy_worker import HEARTBEAT_S, Formulas, main, toy_spec


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve() as found:
        yield found


def start(
    url: str,
    folder: Path,
    settings: dict[str, Any],
    seconds: float = 0.1,
    *,
    is_fork: bool = True,
) -> "subprocess.Popen[str]":
    """Begin a worker; what stands for a fork passes all signals on to it that end it, no other."""
    python = forking_python() if is_fork else sys.executable
    arguments = [url, f"{folder}", json.dumps(settings), f"{seconds}"]
    return subprocess.Popen(
        [python, "-m", "tests.search.toy_worker", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(worker: "subprocess.Popen[str]", wanted: str) -> str:
    assert worker.stdout
    read = ""
    for line in worker.stdout:
        read += line
        if wanted in line:
            return read
    raise AssertionError(read)


def finished(url: str, folder: Path, settings: dict[str, Any]) -> list[Trial]:
    """What one more worker finds, which has nothing left to do."""
    return main(url, folder, settings, 0.0)


def together(
    url: str, folder: Path, settings: dict[str, Any], seconds: float = 0.02, crashes: str = ""
) -> list[Trial]:
    """What two workers in threads find, each with connections of its own."""

    def work(number: int) -> list[Trial]:
        return main(url, folder / f"{number}", settings, seconds, crashes)

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(work, range(2))
    assert one == other
    return one


def test_four_workers_finish_exactly_what_was_asked_though_one_is_killed(
    server: Server, tmp_path: Path
) -> None:
    url, settings = server.create("four"), {"budget": {"trials": 25}}
    workers = [start(url, tmp_path / f"{n}", settings) for n in range(4)]
    killed = workers[0]
    before = read_until(killed, "end") + read_until(killed, "begin")
    os.kill(killed.pid, signal.SIGKILL)

    before += killed.communicate()[0]
    printed = [worker.communicate(timeout=120)[0] for worker in workers[1:]]
    assert [worker.returncode for worker in workers] == [-signal.SIGKILL, 0, 0, 0], printed
    trials = finished(url, tmp_path / "last", settings)
    assert [trial.state for trial in trials] == ["COMPLETE"] * 25
    assert all(len(trial.histories[0]["val/log_loss"]) == 1 for trial in trials)
    assert "epochs to go, about " in "".join(printed)
    ended = Counter(line for text in (before, *printed) for line in text.splitlines())
    ended = Counter({line: n for line, n in ended.items() if line.startswith("end")})
    assert ended.keys() == {f"end {number}" for number in range(25)}
    again = {int(line.split()[1].rstrip(":")) for line in "".join(printed).splitlines()
             if "its worker was lost" in line}  # fmt: skip
    assert again  # what the killed one was at
    assert all(n == 1 for line, n in ended.items() if int(line.split()[1]) not in again)
    assert len({trial.worker for trial in trials}) >= 2
    assert len({json.dumps(trial.settings) for trial in trials}) == 25  # none suggested twice
    assert choose(toy_spec(settings), trials)[0].values[0] == min(t.values[0] for t in trials)


@pytest.mark.parametrize(
    "settings",
    [
        {"budget": {"trials": 12}, "sampler": {"name": "qmc"}},
        {"budget": {"trials": 12}, "sampler": {"name": "cma_es"}},
        {"budget": {"trials": 12}, "pruner": {"name": "halving", "factor": 2}, "epochs": 4},
        {
            "budget": {"trials": 99},
            "sampler": {"name": "grid"},
            "space": {"model.convs_per_block": {"choices": [1, 2, 3]},
                      "model.dropout": {"choices": [0.0, 0.1, 0.2]}},
        },
    ],
    ids=["qmc", "cma_es", "halving", "grid"],
)  # fmt: skip
def test_every_kind_of_search_is_shared(
    settings: dict[str, Any], server: Server, tmp_path: Path
) -> None:
    url = server.create(f"kind_{settings.get('sampler', settings.get('pruner'))['name']}")
    trials = together(url, tmp_path, settings)
    assert len(trials) == (9 if "space" in settings else 12)
    assert {trial.state for trial in trials} <= {"COMPLETE", "PRUNED"}
    assert len({json.dumps(trial.settings) for trial in trials}) == len(trials)


def test_a_worker_that_starts_again_goes_on_with_its_own_trials(
    server: Server, tmp_path: Path
) -> None:
    url, settings = server.create("again"), {"budget": {"trials": 3}}
    worker = start(url, tmp_path, settings, 60.0)
    read_until(worker, "begin")
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    trials = finished(url, tmp_path, settings)
    assert [trial.state for trial in trials] == ["COMPLETE"] * 3
    assert len({trial.worker for trial in trials}) == 1


def test_a_worker_that_was_only_asleep_changes_nothing_that_was_taken_over(
    server: Server, tmp_path: Path
) -> None:
    url, settings = server.create("asleep"), {"budget": {"trials": 2}}
    worker = start(url, tmp_path / "a", settings, 1.0, is_fork=False)
    read_until(worker, "begin")
    os.kill(worker.pid, signal.SIGSTOP)
    trials = finished(url, tmp_path / "b", settings)
    assert [trial.state for trial in trials] == ["COMPLETE"] * 2
    os.kill(worker.pid, signal.SIGCONT)
    printed = worker.communicate(timeout=60)[0]
    assert worker.returncode == 0, printed
    assert finished(url, tmp_path / "c", settings) == trials


def test_a_server_that_vanishes_is_told_in_one_line_and_nothing_is_lost(
    server: Server, tmp_path: Path
) -> None:
    url, settings = server.create("vanishes"), {"budget": {"trials": 40}}
    worker = start(url, tmp_path, settings)
    read_until(worker, "end 3")
    server.stop()
    printed = worker.communicate(timeout=60)[0]
    server.start()
    assert worker.returncode == 1
    last = printed.splitlines()[-1]
    assert last.startswith("pipeline.core.errors.UserError: execution.search_storage: postgresql")
    assert "what was finished is kept" in last
    assert PASSWORD not in printed and SPELT not in printed
    shared = SharedStorage(url, HEARTBEAT_S)
    (study,) = shared.optuna.get_all_studies()
    before = [t for t in shared.optuna.get_all_trials(study._study_id) if t.state.is_finished()]
    assert len(before) >= 3
    trials = finished(url, tmp_path, settings)
    assert [trial.state for trial in trials] == ["COMPLETE"] * 40
    assert [trials[t.number].values[0] for t in before] == [t.value for t in before]


def test_workers_whose_time_is_up_do_not_wait_for_each_other(
    server: Server, tmp_path: Path
) -> None:
    """A trial takes ten rungs, a second; each worker is in the middle of its second one."""
    pruner = {"name": "median", "startup_trials": 99, "factor": 2}
    settings = {"budget": {"hours": 1.5 / 3600}, "pruner": pruner, "epochs": 512}
    trials = together(server.create("hours"), tmp_path, settings, 0.1)
    assert {trial.state for trial in trials} <= {"COMPLETE", "PRUNED"}
    assert "the time of budget.hours was used up" in {trial.remark for trial in trials}


def test_a_fit_that_crashes_is_tried_again_and_its_trial_keeps_the_error(
    server: Server, tmp_path: Path
) -> None:
    url, settings = server.create("crashes"), {"budget": {"trials": 6}, "retries": 1}
    trials = together(url, tmp_path, settings, 0.02, "3 5 5 5")
    assert [trial.state for trial in trials] == ["COMPLETE"] * 5 + ["FAIL"]
    assert trials[5].error == "no such device"
    assert (trials[3].crashes, trials[5].crashes) == ({0: 1}, {0: 2})


def refused(address: str) -> str:
    with pytest.raises(UserError) as raised:
        SharedStorage(address, HEARTBEAT_S)
    shown = "".join(traceback.format_exception(raised.value))
    assert not any(secret in shown for secret in (PASSWORD, SPELT, "s3cret", "wr0ng"))
    return str(raised.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"database": "missing"}, 'database "missing" does not exist'),
        ({"password": "wr0ng"}, 'password authentication failed for user "convoy"'),
    ],
)
def test_a_wrong_address_is_refused_in_one_line_without_the_password(
    given: dict[str, str], expected: str, server: Server
) -> None:
    message = refused(server.url(**given))
    assert message.startswith("execution.search_storage: postgresql://convoy:***@127.0.0.1:")
    assert expected in message
    assert not any(secret in message for secret in (PASSWORD, SPELT, "wr0ng"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://convoy:s3cret@127.0.0.1:1/studies", "onnection refused"),
        ("postgresql://convoy:s3cret/word@127.0.0.1:1/studies", "onnection refused"),
        ("postgresql://convoy@127.0.0.1:s3cret/studies", "cannot be read"),
        ("postgresql://convoy@127.0.0.1:1/studies?password=s3cret", "onnection refused"),
        ("postgresql://convoy:s3cret@nowhere.invalid/studies", "nowhere.invalid"),
        ("sqlite:////nowhere/studies.db", "/nowhere"),
    ],
)
def test_an_unreachable_address_is_refused_in_one_line_without_the_password(
    address: str, expected: str
) -> None:
    message = refused(address)
    assert message.startswith("execution.search_storage: ")
    assert expected in message
    assert "s3cret" not in message
    assert "\n" not in message


def test_two_workers_share_a_file(tmp_path: Path) -> None:
    url, settings = f"sqlite:///{tmp_path}/studies.db", {"budget": {"trials": 12}}
    trials = together(url, tmp_path, settings)
    assert [trial.state for trial in trials] == ["COMPLETE"] * 12


def broken(fits: Iterable[Fit]) -> Iterator[tuple[Fit, Ended]]:
    for _ in fits:
        raise KeyboardInterrupt
    yield from ()


PARTS = {"recipes.cnn.training.lr": "0.005", "pipeline/training": "a", "data/processed": "b"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"pipeline/training": "x"}, "another version of the code (pipeline/training)"),
        ({"recipes.cnn.training.lr": "1"}, "other parameters (recipes.cnn.training.lr)"),
        ({"data/processed": "x"}, "other data (data/processed)"),
    ],
)
def test_a_worker_of_other_work_is_refused_before_a_fit(
    changed: dict[str, str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.search.run import search

    shared = SharedStorage(f"sqlite:///{tmp_path}/studies.db", HEARTBEAT_S)
    first = shared.join("cnn", "a" * 64, "one", PARTS)
    shared.refuse_unless_same("cnn", first)  # nobody has begun
    wanted = toy_spec({"budget": {"trials": 1}})
    search(wanted, shared.optuna, tmp_path, Formulas(0.0), lambda _: {}, team=first)
    shared.refuse_unless_same("cnn", shared.join("cnn", "a" * 64, "two", PARTS))
    other = shared.join("cnn", "b" * 64, "three", {**PARTS, **changed})
    with pytest.raises(UserError, match="check out the same commit") as raised:
        shared.refuse_unless_same("cnn", other)
    assert expected in str(raised.value)

    runner = Formulas(0.0)
    runner.run = broken  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        wanted = toy_spec({"budget": {"trials": 2}})
        search(wanted, shared.optuna, tmp_path, runner, lambda _: {}, team=first)
    shared.tell_of_others("cnn", first)
    assert not capsys.readouterr().out.startswith("search cnn: workers")
    shared.tell_of_others("cnn", other)
    told = capsys.readouterr().out
    assert told.startswith("search cnn: workers run trials of another study, cnn-aaaaaaaaaaaaaaaa")
    assert expected in told
    shared.refuse_unless_same("resnet", shared.join("resnet", "c" * 64, "four", {}))
