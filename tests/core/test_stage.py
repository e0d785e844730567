"""What a stage says about a disk that is full."""

from pathlib import Path

import pytest

from tests.conftest import Workspace

STAGE = """
from pathlib import Path
from pipeline.config.load import parse_params
from pipeline.core.stage import run

def main(stage):
    Path("/dev/full").write_text("a result")

run("preprocess", parse_params, main)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full at hand")
def test_a_full_disk_is_told_in_one_line(workspace: Workspace) -> None:
    (workspace.folder / "stages/fills.py").write_text(STAGE)
    printed = workspace.stage("fills", status=1).strip()
    assert printed == (
        "preprocess: the disk is full; free some space and run the same command again; what was "
        "finished is kept"
    )
