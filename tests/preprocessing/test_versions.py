"""Raw data under version control: the usual DVC commands work on what `.gitignore` leaves out."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.core.dvcfile import content_hash
from tests.conftest import Workspace, small
from tests.preprocessing.test_stage import given, write_pets

pytestmark = pytest.mark.slow
LITTER = (".DS_Store", "._00.png", "Thumbs.db", "desktop.ini", "__MACOSX/cat/._00.png")


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose pets are added to DVC, committed and preprocessed. Do not change it."""
    made = Workspace(tmp_path_factory.mktemp("added") / "work")
    made.edit(small)
    made.edit(lambda tree: tree.update(data=given("data/raw/pets")))
    write_pets(made.folder / "data/raw/pets")
    made.run("dvc", "add", "data/raw/pets")
    made.run("dvc", "repro", "preprocess")
    made.run("git", "add", ".")
    made.run("git", "commit", "-qm", "pets")
    return made


@pytest.fixture
def work(added: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it, free to be changed."""
    return added.copied(tmp_path / "copy")


def images(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))


def test_git_holds_the_version_and_not_the_data(added: Workspace) -> None:
    held = added.run("git", "ls-files", "data").split()
    assert held == ["data/raw/README.md", "data/raw/pets.dvc", "data/weights/README.md"]
    assert added.run("git", "status", "--short") == ""


def test_what_systems_leave_in_folders_changes_no_data(work: Workspace) -> None:
    pets = work.folder / "data/raw/pets"
    before = content_hash(pets)
    for name in LITTER:
        (pets / "cat" / name).parent.mkdir(parents=True, exist_ok=True)
        (pets / "cat" / name).write_bytes(b"x")
    status = work.run("dvc", "status", "data/raw/pets.dvc", "preprocess")
    assert status == "Data and pipelines are up to date.\n"
    assert content_hash(pets) == before
    (pets / "cat/other.png").write_bytes(b"x")
    assert "data/raw/pets" in work.run("dvc", "status", "preprocess")
    assert content_hash(pets) != before


def test_another_clone_pulls_what_was_pushed(work: Workspace, tmp_path: Path) -> None:
    work.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    work.run("dvc", "push")
    work.run("git", "commit", "-qam", "a remote")
    other = object.__new__(Workspace)
    other.folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", work.folder, other.folder], check=True)
    other.run("dvc", "pull", "--allow-missing")
    assert images(other.folder / "data/raw/pets") == images(work.folder / "data/raw/pets")
    assert other.run("dvc", "status", "preprocess") == "Data and pipelines are up to date.\n"


def test_data_can_come_from_an_address(work: Workspace, tmp_path: Path) -> None:
    elsewhere = write_pets(tmp_path / "elsewhere")
    work.run("dvc", "import-url", str(elsewhere), "data/raw/other")
    assert "?? data/raw/other.dvc" in work.run("git", "status", "--short")
    assert images(work.folder / "data/raw/other") == images(elsewhere)
    (elsewhere / "cat/new.png").write_bytes((elsewhere / "cat/00.png").read_bytes())
    work.run("dvc", "update", "data/raw/other.dvc")
    assert "cat/new.png" in images(work.folder / "data/raw/other")


def test_an_experiment_of_its_own_finds_the_data(work: Workspace) -> None:
    printed = work.run("dvc", "exp", "run", "--temp", "-S", "data.test_fraction=0.25", "preprocess")
    assert "preprocess  40 images" in printed
    assert "Ran experiment(s)" in printed


def test_an_experiment_finds_data_that_is_not_added_where_it_is_named(work: Workspace) -> None:
    shutil.copytree(work.folder / "data/raw/pets", work.folder / "data/raw/loose")
    work.edit(lambda tree: tree["data"].update(path="data/raw/loose"))
    copied = ("--copy-paths", "data/raw/loose")
    assert "preprocess  40 images" in work.run("dvc", "exp", "run", "--temp", *copied, "preprocess")
