"""A fit that is killed anywhere ends with the bits of one that was left alone."""

import os
import random
import signal
import time

import pytest

from pipeline.core.paths import Layout
from pipeline.execution.job import Job
from pipeline.training.datamodule import Inputs
from tests.conftest import Workspace
from tests.training.fits import equal, fit_here, save_often, status
from tests.training.test_fit import job, load_file, packed  # noqa: F401  # a fixture

pytestmark = pytest.mark.slow

MODEL = {"name": "cnn", "widths": [8, 16], "dropout": 0.2}


def wanted(workspace: Workspace, name: str) -> Job:
    return job(workspace, name, {"epochs": 40}, MODEL, accelerator="cpu")


def forked(wanted: Job, inputs: Inputs) -> int:
    """A fit in a fork of this process, which has imported everything: it begins in 0.1 s."""
    child = os.fork()
    if child:
        return child
    try:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(143))  # until training has begun
        fit_here(wanted, inputs)
    except SystemExit as leaving:
        os._exit(int(str(leaving.code)))
    except BaseException as error:
        print(error, flush=True)
        os._exit(1)
    os._exit(0)


def test_killed_at_random_points(
    packed: Workspace,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_often(monkeypatch)
    inputs, chance = Inputs.open(Layout(packed.folder)), random.Random(1)
    assert status(forked(wanted(packed, "alone"), inputs)) == 0
    ends = []
    for number in range(24):
        child = forked(wanted(packed, "killed"), inputs)
        time.sleep(chance.uniform(0.1, 0.3))
        os.kill(child, (signal.SIGTERM, signal.SIGKILL)[number % 2])
        ends.append(status(child))
    assert status(forked(wanted(packed, "killed"), inputs)) == 0
    alone, killed = (packed.folder / name for name in ("alone", "killed"))
    assert equal(*(load_file(folder / "weights.safetensors") for folder in (alone, killed)))
    for name in ("history.csv", "spool/metrics.jsonl"):
        assert (alone / name).read_text() == (killed / name).read_text()
    assert 0 not in ends[:4]  # later ones may have been done before they were to be killed
    assert {-9, 143} <= set(ends)
