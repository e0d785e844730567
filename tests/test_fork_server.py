"""A command that is started as a fork does all that it does as a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import fork_server
from tests.fork_server import DESCENDING

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")

SHOWN = """
import atexit, os, sys
atexit.register(print, "the end")
print(__name__, sys.argv[1:], os.getcwd(), sys.path[0], os.environ["GIVEN"], sys.stdin.read())
print("a warning", file=sys.stderr)
"""
FITTING = """
from multiprocessing import get_context

def fit():
    print("torch" in sys.modules)

def main():
    fitting = get_context("forkserver").Process(target=fit)
    fitting.start()
    fitting.join()
    print("ended with", fitting.exitcode)

if __name__ == "__main__":
    main()
"""
DESCENT = """
import psutil, subprocess
print(os.getpid(), "torch" in sys.modules, flush=True)
if sys.argv[1] == "a":
    subprocess.run(["python", "-m", "stages.shown", "b"])
else:
    print([process.pid for process in psutil.Process().parents()])
"""
LEAVING = ("sys.exit()", "sys.exit(3)", "sys.exit('one line')", "os._exit(4)", "1 / 0",
           "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)")  # fmt: skip


def module(folder: Path, code: str) -> list[str]:
    """Write a module of `stages`, and return the arguments that run it."""
    (folder / "stages").mkdir()
    (folder / "stages/__init__.py").touch()
    (folder / "stages/shown.py").write_text(f"import os, sys\n{code}\n")
    return ["-m", "stages.shown", "a", "b c"]


def pythons() -> list[str]:
    return [sys.executable, f"{fork_server().commands / 'python'}"]


def test_it_sees_and_writes_the_same(tmp_path: Path) -> None:
    arguments, env = module(tmp_path, SHOWN), {**os.environ, "GIVEN": "value"}
    alone, forked = (
        subprocess.run(
            [python, *arguments],
            cwd=tmp_path,
            env=env,
            input="read",
            capture_output=True,
            text=True,
        )
        for python in pythons()
    )
    assert forked.stdout == alone.stdout
    assert forked.stdout.endswith("value read\nthe end\n")
    assert forked.stderr == alone.stderr == "a warning\n"


@pytest.mark.parametrize("code", LEAVING)
def test_it_ends_the_same(tmp_path: Path, code: str) -> None:
    arguments = module(tmp_path, code)
    alone, forked = (
        subprocess.run([python, *arguments], cwd=tmp_path, capture_output=True, text=True)
        for python in pythons()
    )
    assert forked.returncode == alone.returncode
    assert forked.stderr.splitlines()[-1:] == alone.stderr.splitlines()[-1:]


def test_it_does_not_outlive_a_kill(tmp_path: Path) -> None:
    arguments = module(tmp_path, "import time\nprint(os.getpid(), flush=True)\ntime.sleep(1000)")
    command = [pythons()[1], *arguments]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout
        fork = psutil.Process(int(started.stdout.readline()))
        assert fork.pid != started.pid
        started.kill()
        assert not psutil.wait_procs([fork], timeout=60)[1]


def test_fits_are_forked_where_their_stage_is(tmp_path: Path) -> None:
    arguments = module(tmp_path, FITTING)
    alone, forked = (
        subprocess.run([python, *arguments], cwd=tmp_path, capture_output=True, text=True)
        for python in pythons()
    )
    assert forked.stderr == alone.stderr == ""
    assert alone.stdout == "False\nended with 0\n"
    assert forked.stdout == "True\nended with 0\n"


def test_forks_descend_from_a_command_that_is_none(tmp_path: Path) -> None:
    arguments = module(tmp_path, DESCENT)
    path = f"{fork_server().commands}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, DESCENDING: "1"}
    done = subprocess.run([pythons()[1], *arguments], cwd=tmp_path, env=env, capture_output=True)
    first, second, parents = done.stdout.decode().splitlines()
    assert first.endswith(" False")
    assert second.endswith(" True")
    assert int(first.split()[0]) in json.loads(parents)
    assert not done.stderr
