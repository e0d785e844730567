"""What a clean clone holds before anything runs in it."""

from pathlib import Path

import pytest

from pipeline.comparison.clone import Clone
from pipeline.comparison.repetition import repeat
from pipeline.core.errors import UserError
from pipeline.core.lock import hold
from tests.conftest import Workspace

pytestmark = pytest.mark.slow

LOCK = """\
schema: '2.0'
stages:
  train@removed:
    cmd: train
    deps: [{path: pipeline/removed.py, md5: 0.dir}]
  train@cnn_1:
    cmd: train
    deps: [{path: data/raw, md5: 0.dir}]
    outs: [{path: artifacts/members/cnn_1, md5: 1.dir}]
  report:
    cmd: report
    deps: [{path: artifacts/members, md5: 2.dir}]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace in a folder whose name has letters beyond ASCII, with data of every kind."""
    made = Workspace(tmp_path / "große Ablage")
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("PATH", made.environment()["PATH"])
    for name in ("pictures/räum 1.png", "kept/once.png", "new/free.png"):
        write(Path("data/raw") / name, name)
    write(Path("artifacts/members/cnn_1/weights"), "trained before")
    made.run("dvc", "add", "--quiet", "data/raw/pictures")
    made.run("git", "add", "--force", "data/raw/pictures.dvc", "data/raw/kept")
    Path("dvc.lock").write_text(LOCK)
    made.run("git", "add", "--force", "dvc.lock")
    made.run("git", "commit", "--quiet", "--message", "all")
    return made


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # it may be a link into DVC's cache
    path.write_text(text)


def test_data_is_that_of_the_commit_wherever_it_is_kept(here: Workspace) -> None:
    commit = here.run("git", "rev-parse", "HEAD").strip()
    here.run("git", "rm", "--quiet", "--cached", "data/raw/kept/once.png")
    here.run("git", "commit", "--quiet", "--message", "no more in git")
    write(Path("data/raw/kept/once.png"), "changed since")
    write(Path("data/raw/pictures/räum 1.png"), "changed since")
    write(Path("data/raw/pictures/later.png"), "added since")
    raw = Clone(commit, Path(".convoy/reproduce/now")).folder / "data/raw"
    read = {f"{p.relative_to(raw)}": p.read_text() for p in raw.rglob("*.png")}
    assert read == {name: name for name in ("pictures/räum 1.png", "kept/once.png", "new/free.png")}


def test_nothing_that_was_computed_before_is_in_it(here: Workspace) -> None:
    clone = Clone("HEAD", Path(".convoy/reproduce/now"))
    assert clone.inputs == ["data/raw"]
    assert not (clone.folder / "artifacts").exists()
    here.run("git", "-C", f"{clone.folder}", "fsck")
    (url,) = here.run("dvc", "--cd", f"{clone.folder}", "cache", "dir").splitlines()
    assert (clone.folder / url).samefile(".dvc/cache")


def test_a_commit_that_has_run_nothing_is_refused(here: Workspace) -> None:
    """All of no outputs would be identical."""
    Path("dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    here.run("git", "commit", "--quiet", "--all", "--message", "nothing")
    with pytest.raises(UserError, match=r"HEAD: has no stage in dvc.lock, so nothing says"):
        Clone("HEAD", Path(".convoy/reproduce/now"))


def test_a_commit_runs_once_at_a_time(here: Workspace) -> None:
    commit = here.run("git", "rev-parse", "HEAD").strip()
    kept = Path(f".convoy/reproduce/{commit[:12]}/half")
    write(kept, "of another process")
    with (
        hold(Path(f".convoy/reproduce-{commit[:12]}.lock"), "another"),
        pytest.raises(UserError, match="another process is working on it"),
    ):
        repeat(commit)
    assert kept.exists()
