"""`convoy status`: which entries are up to date, and which runs in MLflow are theirs."""

import re

import pytest

from tests.conftest import Workspace

pytestmark = pytest.mark.slow


def rows(printed: str) -> dict[str, str]:
    """What the table says of each entry: its artifacts, and whether MLflow has a run of them."""
    found = re.findall(r"^ (\S+) +(current|changed|missing)(.*)$", printed, re.MULTILINE)
    return {name: artifacts + (" shown" if run.strip() else "") for name, artifacts, run in found}


def test_entries_and_their_runs(copy: Workspace) -> None:
    copy.run("convoy", "sync")
    printed = copy.run("convoy", "status")
    found = rows(printed)
    assert len(found) == 15
    assert set(found.values()) == {"current shown"}
    assert re.search(r"train@cnn_1 .* cnn_1 *$", printed, re.MULTILINE)
    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(lr=0.007))
    copy.edit(lambda tree: tree["members"].update(cnn_2={"recipe": "cnn", "seed": 2}))
    found = rows(copy.run("convoy", "status"))
    late = {"pipeline", "search@cnn", "train@cnn_1", "predict@cnn_1", "ensemble", "report"}
    assert {found[name] for name in late} == {"changed"}
    assert {found[name] for name in ("train@cnn_2", "predict@cnn_2")} == {"missing"}
    assert {found[name] for name in ("augment", "train@resnet_1")} == {"current shown"}


def test_a_server_that_is_away_costs_the_runs_alone(copy: Workspace) -> None:
    printed = copy.run("convoy", "status", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert "tracking: http://127.0.0.1:9: " in printed
    assert set(rows(printed).values()) == {"current"}
