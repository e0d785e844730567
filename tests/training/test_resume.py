"""A fit that is killed anywhere ends with the bits of one that was left alone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import Workspace
from tests.training.test_fit import packed, tree  # noqa: F401  # a fixture

pytestmark = pytest.mark.slow

# Children are forked from a process that has imported everything and computed nothing: a kill costs
# the time of a few steps.
SCRIPT = """
import json, os, random, signal, sys, time
from pathlib import Path
import torch
from pipeline import params
from pipeline.artifacts import Layout
from pipeline.training import loop
from pipeline.training.data import Inputs
from pipeline.training.fit import fit

loop.CHECK_STEPS, loop.CHECKPOINT_S = 2, 0.0  # a checkpoint at every other step
tree, folder, num_kills, seed = json.loads(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
settings = params.parse(tree, "test")
folder.mkdir()

def train():
    history = folder / "history"
    history.write_text("")
    def record(figures, epoch):
        with history.open("a") as file:
            file.write(json.dumps([epoch, figures]) + "\\n")
    recipe = settings.recipes["r"]
    network = fit(recipe, Inputs.open(Layout()), task=settings.task, seed=3, title="t",
                  hardware=settings.hardware, record=record, folder=folder / "checkpoints")
    network.save(folder, recipe.model)

def forked():
    child = os.fork()
    if child:
        return child
    try:
        train()
    except SystemExit as leaving:
        os._exit(leaving.code)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)

chance, ends = random.Random(seed), []
for number in range(num_kills):
    child = forked()
    time.sleep(chance.uniform(0.1, 0.3))  # one begins within about 0.1 s
    os.kill(child, (signal.SIGTERM, signal.SIGKILL)[number % 2])
    ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
(folder / "ends").write_text(json.dumps(ends))
assert os.waitpid(forked(), 0)[1] == 0
"""


def run(workspace: Workspace, name: str, num_kills: int, seed: int, **training: Any) -> Path:
    folder = workspace.folder / name
    made = tree({"accelerator": "cpu"}, epochs=40, **training)
    made["recipes"]["r"]["model"] = {"name": "cnn", "widths": [8, 16], "dropout": 0.2}
    command = [
        sys.executable,
        "-c",
        SCRIPT,
        json.dumps(made),
        str(folder),
        f"{num_kills}",
        f"{seed}",
    ]
    subprocess.run(command, cwd=workspace.folder, env=workspace.environment(), check=True)
    return folder


def same(one: Path, other: Path) -> None:
    first, second = (load_file(folder / "weights.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (one / "history").read_text() == (other / "history").read_text()


def test_killed_at_random_points(packed: Workspace) -> None:  # noqa: F811
    alone = run(packed, "alone", num_kills=0, seed=0)
    killed = run(packed, "killed", num_kills=24, seed=1)
    same(alone, killed)
    ends = json.loads((killed / "ends").read_text())
    assert len(ends) == 24
    assert 0 not in ends[:4]  # later ones may have been done before they were to be killed
    assert {-9, 143} <= set(ends)
