"""Shapes are checked while testing; and workspaces: small copies of the repository to run in."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two halves of the suite share two cores
import atexit
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from ruamel.yaml import YAML

from tests.annotations import check_annotations
from tests.fork_server import ForkServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

check_annotations("pipeline")
settings.register_profile("convoy", deadline=None)  # nothing timed is asserted
settings.load_profile("convoy")

ROOT = Path(__file__).parent.parent
PARTS = (
    "pipeline", "stages", "examples", "data/raw/README.md", "data/weights/README.md", "dvc.yaml",
    "params.yaml", "Makefile", "requirements.lock", "README.md", ".dvcignore", ".gitignore",
)  # fmt: skip

os.environ.update(NO_ALBUMENTATIONS_UPDATE="1", DVC_NO_ANALYTICS="1")
# To compile all anew takes ten seconds; elsewhere, since bytecode beside code is found by tests.
sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = f"{tempfile.gettempdir()}/convoy_bytecode"
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
for name in ("MLFLOW_TRACKING_URI", "MAKELEVEL", "MAKEFLAGS"):  # those of `make test` itself
    os.environ.pop(name, None)

DATES = {f"GIT_{who}_DATE": "2026-01-01T12:00:00Z" for who in ("AUTHOR", "COMMITTER")}
"""So that the first commit of every workspace has the same hash."""
Edit = Callable[[dict[str, Any]], None]


def small(tree: dict[str, Any]) -> None:
    """The default parameters, cut to two quick members and two trials."""
    for recipe in tree["recipes"].values():
        recipe["training"]["epochs"] = 2
        del recipe["search"]
    tree["recipes"]["cnn"]["model"]["widths"] = [8, 16]
    space = {"training.lr": {"low": 0.001, "high": 0.02, "log": True}}
    tree["recipes"]["cnn"]["search"] = {"budget": {"trials": 2}, "epochs": 1, "space": space}
    tree["recipes"]["resnet"]["model"]["widths"] = [8, 8]
    tree["members"] = {"cnn_1": {"recipe": "cnn"}, "resnet_1": {"recipe": "resnet"}}
    tree["tracking"] = {"live": False}


def brief(tree: dict[str, Any]) -> None:
    """One method and few resamples, for tests of something else."""
    tree["ensemble"] = {"methods": [{"name": "mean"}]}
    tree["evaluation"]["num_bootstrap"] = 100


@cache
def fork_server() -> ForkServer:
    """Return the server of this session, which starts when the first command does."""
    server = ForkServer(Path(tempfile.mkdtemp()), dict(os.environ))
    atexit.register(server.close)
    return server


def forking_python() -> str:
    """Return the Python whose commands start as forks, see `ForkServer`; outside Linux its own."""
    return f"{fork_server().commands}/python" if hasattr(os, "pidfd_open") else sys.executable


def install(environment: Path) -> None:
    """Put what `make` would install in a folder: the Python and the DVC that run the tests.

    A link to their folder would be another path of all libraries, to be compiled once more.
    """
    (environment / "bin").mkdir(parents=True)
    for name in ("python", "dvc"):
        command = environment / "bin" / name
        command.write_text(f'#!/bin/sh\nexec "{sys.prefix}/bin/{name}" "$@"\n')
        command.chmod(0o755)
    (environment / "installed").touch()


ENDLESS = {"epochs": 100_000, "patience": None}  # training that is there to be ended


class Workspace:
    """A copy of the repository in a folder of its own, with its own parameters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in PARTS:
            source, target = ROOT / part, folder / part
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        (folder / ".dvc").mkdir()
        install(folder / ".venv")
        for part in ("config", ".gitignore"):
            shutil.copy(ROOT / ".dvc" / part, folder / ".dvc" / part)
        own = (["config", "user.name", "t"], ["config", "user.email", "t@example.org"])
        for command in (["init", "-q"], *own, ["add", "."], ["commit", "-qm", "start"]):
            subprocess.run(["git", *command], cwd=folder, check=True, env={**os.environ, **DATES})

    def copied(self, folder: Path) -> "Workspace":
        """Return a copy that is free to be changed."""
        from pipeline.tracking.relocation import bring_home  # once annotations are checked

        made = object.__new__(Workspace)
        made.folder = folder
        shutil.copytree(self.folder, folder, symlinks=True)
        if (folder / "mlflow.db").is_file():
            bring_home(folder / "mlflow.db")
        return made

    def edit(self, change: Edit) -> None:
        """Change params.yaml."""
        yaml, path = YAML(typ="safe"), self.folder / "params.yaml"
        tree = yaml.load(path)
        change(tree)
        yaml.dump(tree, path)

    def environment(self, **more: str) -> dict[str, str]:
        binaries = str(Path(sys.executable).parent)
        return {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", **more}

    def forking(self, **more: str) -> dict[str, str]:
        """Return an environment in which Convoy and DVC start as forks, see `ForkServer`."""
        own = self.environment(**more)
        if not hasattr(os, "pidfd_open"):  # outside Linux
            return own
        return own | {"PATH": f"{fork_server().commands}:{own['PATH']}"}

    def fork(self, *command: str, **more: str) -> "subprocess.Popen[str]":
        """Begin a command as `start` does, but as a fork: what is left after a kill is no matter.

        The fork and its fits end with what stands for it, some milliseconds after that.
        """
        return self.start(*command, **{"PATH": self.forking()["PATH"], **more})

    def start(self, *command: str, **more: str) -> "subprocess.Popen[str]":
        """Begin a command in a process group of its own, which may be killed."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell that runs the tests in the background has them ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def run(self, *command: str, status: int = 0, **more: str) -> str:
        """Run a command and return what it printed; fails on another exit status."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.forking(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def stage(self, name: str, *key: str, status: int = 0, **more: str) -> str:
        return self.run("python", "-m", f"stages.{name}", *key, status=status, **more)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A fresh workspace with small parameters."""
    made = Workspace(tmp_path / "work")
    made.edit(small)
    return made


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which `dvc repro` has run once with small parameters. Do not change it."""
    made = Workspace(tmp_path_factory.mktemp("reproduced") / "work")
    made.edit(small)
    made.run("dvc", "repro")
    return made


@pytest.fixture
def copy(reproduced: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the reproduced workspace, free to be changed."""
    return reproduced.copied(tmp_path / "copy")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright  # for two of all modules

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("no Chromium at hand: apt install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield opened
        opened.close()
