"""`convoy status`: which entries are up to date, and which runs in MLflow are theirs."""

import re

import pytest

from tests.conftest import Workspace
from tests.test_reruns import edit

pytestmark = pytest.mark.slow


def rows(printed: str) -> dict[str, str]:
    """What the table says of each entry: its artifacts, and whether MLflow has a run of them."""
    found = re.findall(r"^ (\S+) +(current|changed|missing)(.*)$", printed, re.MULTILINE)
    return {name: artifacts + (" shown" if run.strip() else "") for name, artifacts, run in found}


def test_entries_and_their_runs(copy: Workspace) -> None:
    copy.run("convoy", "sync")
    printed = copy.run("convoy", "status")
    found = rows(printed)
    assert len(found) == 16
    assert found.pop("components") == "current"
    assert set(found.values()) == {"current shown"}
    assert re.search(r"train@cnn_1 .* cnn_1 *$", printed, re.MULTILINE)
    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(lr=0.007))
    copy.edit(lambda tree: tree["members"].update(cnn_2={"recipe": "cnn", "seed": 2}))
    found = rows(copy.run("convoy", "status"))
    late = {"pipeline", "search@cnn", "train@cnn_1", "predict@cnn_1", "ensemble", "report"}
    assert {found[name] for name in late} == {"changed"}
    assert {found[name] for name in ("train@cnn_2", "predict@cnn_2")} == {"missing"}
    assert {found[name] for name in ("augment", "train@resnet_1")} == {"current shown"}


def test_what_an_edited_component_is_used_for_has_changed(copy: Workspace) -> None:
    """Nothing where no recipe uses it; the packaged model may carry any code."""
    copy.run("convoy", "sync")
    edit(copy, "pipeline/models/architectures/lenet.py")
    found = rows(copy.run("convoy", "status"))
    assert {name for name in found if found[name] == "changed"} == {"pipeline", "package"}
    edit(copy, "pipeline/models/architectures/cnn.py")
    found = rows(copy.run("convoy", "status"))
    late = {"components", "search@cnn", "train@cnn_1", "predict@cnn_1", "soup", "ensemble"}
    assert {found[name] for name in late} == {"changed"}
    kept = {"search@resnet", "train@resnet_1", "predict@resnet_1"}
    assert {found[name] for name in kept} == {"current shown"}


def test_a_server_that_is_away_costs_the_runs_alone(copy: Workspace) -> None:
    printed = copy.run("convoy", "status", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert "tracking: http://127.0.0.1:9: " in printed
    assert set(rows(printed).values()) == {"current"}
