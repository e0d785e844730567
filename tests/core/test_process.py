"""SIGTERM ends a process, wherever it arrives, and what is open is closed first."""

import signal
import subprocess
import sys

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
