"""The lock: one holder at a time, and released when the last holder ends."""

import os
import signal
from pathlib import Path

import pytest

from pipeline.core.errors import UserError
from pipeline.core.lock import hold
from tests.conftest import Workspace


def test_only_one_holds_a_lock(tmp_path: Path) -> None:
    held = hold(tmp_path / "a", "a")
    hold(tmp_path / "b", "b").close()
    with pytest.raises(UserError, match="a: another process is working on it; wait for"):
        hold(tmp_path / "a", "a")
    held.close()
    hold(tmp_path / "a", "a").close()


def test_a_lock_ends_with_the_last_process_that_inherited_it(tmp_path: Path) -> None:
    held = hold(tmp_path / "a", "a")
    child = os.fork()
    if not child:
        signal.pause()
    held.close()
    with pytest.raises(UserError):
        hold(tmp_path / "a", "a")
    os.kill(child, signal.SIGKILL)
    hold(tmp_path / "a", "a", wait_s=20.0).close()
    os.waitpid(child, 0)


@pytest.mark.slow
def test_a_stage_that_is_at_work_is_not_started_again(workspace: Workspace) -> None:
    with hold(workspace.folder / ".convoy/locks/augment", "augment"):
        printed = workspace.stage("augment", status=1)
    assert printed == (
        "augment: augment: another process is working on it; "
        "wait for that process to end, or stop it\n"
    )
