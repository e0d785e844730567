"""DVC's record of running commands: a torn one is removed, any other is left alone."""

import fcntl
import subprocess
from pathlib import Path

import pytest

from pipeline.core.dvc_lock import remove_torn_record
from pipeline.core.errors import UserError
from tests.conftest import forking_python

WRITING = '{"write": {"a": {"pid": 1, "cmd": "dvc repro"}}, "read": {}}'
READING = '{"write": {}, "read": {"a": [{"pid": 1, "cmd": "dvc repro"}]}}'


NOT_JSON, NOT_ITS_FORM = "JSON structure is corrupted", "format error"


@pytest.mark.parametrize(
    ("torn", "printed"),
    [
        ("", NOT_JSON),
        ('{"write": {"a": {"p', NOT_JSON),
        ("null", NOT_ITS_FORM),
        ("[]", NOT_ITS_FORM),
        ('{"write": []}', NOT_ITS_FORM),
        ('{"write": {"a": {"pid": "1", "cmd": ""}}}', NOT_ITS_FORM),
        ('{"read": {"a": {"pid": 1, "cmd": ""}}}', NOT_ITS_FORM),
        ('{"write": {}, "read": {}, "other": 1}', NOT_ITS_FORM),
    ],
)
def test_dvc_works_again_after_a_kill_in_mid_write(tmp_path: Path, torn: str, printed: str) -> None:
    dvc = [forking_python(), "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text("stages: {a: {cmd: echo x > b, outs: [b]}}")
    folder = tmp_path / ".dvc/tmp"
    (folder / "rwlock").write_text(torn)
    failed = subprocess.run([*dvc, "repro"], cwd=tmp_path, capture_output=True, text=True)
    assert failed.returncode
    assert printed in failed.stderr
    assert remove_torn_record(folder)
    subprocess.run([*dvc, "repro"], cwd=tmp_path, check=True)
    assert not remove_torn_record(folder)


@pytest.mark.parametrize("whole", [WRITING, READING, '{"write": {}}', "{}"])
def test_a_record_that_can_be_read_stays(tmp_path: Path, whole: str) -> None:
    assert not remove_torn_record(tmp_path)
    (tmp_path / "rwlock").write_text(whole)
    assert not remove_torn_record(tmp_path)
    assert (tmp_path / "rwlock").read_text() == whole


@pytest.mark.parametrize("name", ["rwlock", "rwlock.lock"])
def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=f"{name}: got a folder; allowed a file, .*; remove it"):
        remove_torn_record(tmp_path)


def test_a_record_that_is_being_written_stays(tmp_path: Path) -> None:
    (tmp_path / "rwlock").write_text("")
    with (tmp_path / "rwlock.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        assert not remove_torn_record(tmp_path)
    assert (tmp_path / "rwlock").is_file()
