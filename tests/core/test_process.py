"""SIGTERM ends a process, wherever it arrives, and what is open is closed first."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

FRAME = """
import gc, os, signal, time, weakref
from pipeline.core import process

class Thing:
    def __init__(self, name=""):
        self.name = name
    def __del__(self):
        if self.name == "terminated":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0)  # Python handles a signal between two instructions

def terminated(*_):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0)

process.exit_on_sigterm()
try:
    {body}
    for _ in range(200):
        time.sleep(0.1)
    print("went on")
finally:
    print("closed")
"""
PLACES = {
    "between two lines": "terminated()",
    "in a destructor": "Thing('terminated')",
    "in two destructors, one after the other": "Thing('terminated'); Thing('terminated')",
    "in a destructor that the collector calls": (
        "thing = Thing('terminated'); thing.itself = thing; del thing; gc.collect()"
    ),
    "in the callback of a weak reference": (
        "thing = Thing(); held = weakref.ref(thing, terminated); del thing"
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_sigterm_ends_a_process_wherever_it_arrives(place: str) -> None:
    code = FRAME.replace("{body}", PLACES[place])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "closed\n")
    assert done.stderr == ""


def test_another_exception_of_a_destructor_is_printed_as_ever() -> None:
    code = (
        "from pipeline.core import process\n"
        "class Thing:\n"
        "    def __del__(self): raise ValueError('lost')\n"
        "process.exit_on_sigterm(); Thing(); print('went on')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "went on\n"
    assert done.stderr.startswith("Exception ignored in: <function Thing.__del__")


@pytest.mark.parametrize("command", ["stages.evaluate", "pipeline sync"])
@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.2])
def test_ctrl_c_while_a_command_imports_is_no_traceback(
    command: str, after_s: float, tmp_path: Path
) -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", *command.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    maps = Path(f"/proc/{started.pid}/maps")
    while started.poll() is None and "pydantic_core" not in maps.read_text():
        time.sleep(0.001)  # until one of the first packages is there
    time.sleep(after_s)
    started.send_signal(signal.SIGINT)
    assert "Traceback" not in started.communicate()[1]
    assert started.returncode
