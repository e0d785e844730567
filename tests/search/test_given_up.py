"""An interrupted study that other work takes the place of leaves a table of its trials."""

import re
from pathlib import Path

import pytest
from optuna.storages import BaseStorage

from pipeline.config.load import load_params
from pipeline.core.paths import PARAMS_FILE
from pipeline.core.stage import turn
from pipeline.search.journal import JOURNAL, open_journal
from pipeline.search.run import search
from pipeline.search.session import parts
from pipeline.search.spec import StudySpec
from pipeline.search.table import read
from pipeline.search.team import Team
from pipeline.search.trial import Fit
from tests.conftest import Workspace
from tests.search.simulated import Simulated, costs


class Interrupted(BaseException):
    """Ends a search at once."""


def interrupt(fit: Fit, attempt: int) -> None:
    if fit.number == 3:
        raise Interrupted


def begin(storage: BaseStorage, folder: Path, wanted: StudySpec) -> None:
    """Run two trials, and stop in the second batch."""
    runner, team = Simulated(1, fail=interrupt), Team(parts=parts("cnn"))
    with pytest.raises(Interrupted):
        search(wanted, storage, folder, runner, costs, team=team)


def test_its_table_is_kept_and_told_and_can_be_learnt_from(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.edit(lambda tree: tree["recipes"]["cnn"]["search"].update(budget={"trials": 5}))
    monkeypatch.chdir(workspace.folder)
    work = turn("search", "cnn").work
    begin(open_journal(work / JOURNAL), work, StudySpec.of(load_params(PARAMS_FILE), "cnn"))

    space = {"training.lr": {"low": 0.0001, "high": 0.02, "log": True}}
    workspace.edit(lambda tree: tree["recipes"]["cnn"]["search"].update(space=space))
    printed = workspace.stage("search", "cnn", status=1)  # as there are no data
    told = re.search(
        r"search cnn: begins another study, as the one that was interrupted has other parameters "
        r"\((\S+)\); its table, with (\d) complete trials, is kept as (\S+); to learn",
        printed,
    )
    assert told, printed
    assert told.groups()[:2] == ("recipes.cnn.search.space.training.lr.low", "2")
    assert not work.exists()
    learnt = read(Path(told[3]), StudySpec.of(load_params(PARAMS_FILE), "cnn"))
    assert len(learnt) == 2
    assert "begins another study" not in workspace.stage("search", "cnn", status=1)
