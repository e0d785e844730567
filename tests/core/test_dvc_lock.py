"""DVC's record of running commands: a torn one is removed, any other is left alone."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core.dvc_lock import remove_torn_record

WHOLE = '{"write": {"a": {"pid": 1, "cmd": "dvc repro"}}, "read": {}}'


@pytest.mark.parametrize("torn", ["", '{"write": {"a": {"p'])
def test_dvc_works_again_after_a_kill_in_mid_write(tmp_path: Path, torn: str) -> None:
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text("stages: {a: {cmd: echo x > b, outs: [b]}}")
    folder = tmp_path / ".dvc/tmp"
    (folder / "rwlock").write_text(torn)
    failed = subprocess.run([*dvc, "repro"], cwd=tmp_path, capture_output=True, text=True)
    assert failed.returncode
    assert "JSON structure is corrupted" in failed.stderr
    assert remove_torn_record(folder)
    subprocess.run([*dvc, "repro"], cwd=tmp_path, check=True)
    assert not remove_torn_record(folder)


def test_a_record_that_can_be_read_stays(tmp_path: Path) -> None:
    assert not remove_torn_record(tmp_path)
    (tmp_path / "rwlock").write_text(WHOLE)
    assert not remove_torn_record(tmp_path)
    assert (tmp_path / "rwlock").read_text() == WHOLE


def test_a_record_that_is_being_written_stays(tmp_path: Path) -> None:
    (tmp_path / "rwlock").write_text("")
    with (tmp_path / "rwlock.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        assert not remove_torn_record(tmp_path)
    assert (tmp_path / "rwlock").is_file()
