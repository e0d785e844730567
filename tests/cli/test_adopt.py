"""After an upgrade, outputs are kept where the code computes the same; asked of DVC itself."""

import pytest

from pipeline.core.files import read_json
from pipeline.core.paths import Layout
from tests.conftest import Workspace
from tests.test_reruns import changed, edit, started

pytestmark = pytest.mark.slow
LOSS = "pipeline/losses/cross_entropy.py"
MODEL = "pipeline/models/architectures/cnn.py"
UNUSED = "pipeline/models/architectures/lenet.py"


def test_what_computes_the_same_is_adopted(copy: Workspace) -> None:
    for file in (LOSS, MODEL):
        edit(copy, file)
    assert changed(copy) == {"components", "package"}
    listed = copy.run("convoy", "adopt")
    assert changed(copy) == {"search@cnn", "search@resnet", "package"}
    assert f"search@cnn: code changed in 2 dependencies: {LOSS}, {MODEL}\n" in listed
    assert f"search@resnet: code changed in 1 dependencies: {LOSS}\n" in listed
    assert "3 entries can be adopted; name them, or pass --all" in listed
    printed = copy.run("convoy", "adopt", "search@cnn", "--verify", "train@cnn_1")
    commit = copy.run("git", "rev-parse", "--short=12", "HEAD").strip()
    assert "train@cnn_1: recomputed, with the same results" in printed
    assert f"adopted at {commit}: search@cnn" in printed
    assert changed(copy) == {"search@resnet", "package"}
    tags = read_json(Layout(copy.folder).runs / "search/cnn/run.json")["tags"]
    own = {key: tag for key, tag in tags.items() if key.startswith("convoy.")}
    assert own == {"convoy.adopted_at": commit, "convoy.adopted_code": f"{LOSS} {MODEL}"}
    copy.run("convoy", "adopt", "--all")
    assert copy.run("dvc", "repro").endswith("Data and pipelines are up to date.\n")
    edit(copy, UNUSED)  # which undoes nothing of that
    assert started(copy.run("dvc", "repro")) == {"components", "package"}


def test_what_computes_something_else_is_not(copy: Workspace) -> None:
    path = copy.folder / LOSS
    path.write_text(
        path.read_text().replace("label_smoothing=params.", "label_smoothing=0.1 + params.")
    )
    printed = copy.run("convoy", "adopt", "--all", "--verify", "train@cnn_1", status=1)
    assert "adopt: train@cnn_1: artifacts/members/cnn_1 has changed; run `dvc repro" in printed
    assert changed(copy) == {"search@cnn", "search@resnet", "package"}


def test_only_code_can_be_adopted(copy: Workspace) -> None:
    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(lr=0.007))
    printed = copy.run("convoy", "adopt", "search@cnn", status=1)
    assert "adopt: search@cnn: params.yaml changed, not only code; run `dvc repro" in printed
    printed = copy.run("convoy", "adopt", "train@cnn_2", status=1)
    assert "adopt: got 'train@cnn_2', which has not changed; allowed report, search@cnn" in printed
