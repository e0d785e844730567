"""A file of weights is part of what DVC and we know a member by: its content, not its name."""

import json
from pathlib import Path

import pytest

from pipeline.config.recipe_checks import WEIGHTS
from pipeline.core import dvcfile
from pipeline.core.component import Component, make
from pipeline.core.errors import UserError
from pipeline.core.files import write_json
from pipeline.core.paths import Layout
from pipeline.search.pretrained import fingerprint
from tests.config.test_params import TREE
from tests.conftest import ROOT, Workspace

NAME = f"{WEIGHTS}/a.pth"


def model(pretrained: bool | str) -> Component:
    return make("model", "timm", pretrained=pretrained)


def test_another_content_is_another_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"model.pretrained: got {NAME}, which is not a"):
        fingerprint(model(NAME))
    Path(NAME).parent.mkdir(parents=True)
    found = []
    for content in (b"weights", b"weightz", b"weights"):
        Path(NAME).write_bytes(content)
        found.append(fingerprint(model(NAME)))
    assert found[0] == found[2] != found[1]
    assert list(found[0]) == [NAME]


@pytest.mark.parametrize("pretrained", [False, True])
def test_fresh_and_published_weights_name_no_file(pretrained: bool) -> None:
    assert fingerprint(model(pretrained)) == {}
    assert fingerprint(make("model", "cnn")) == {}


@pytest.mark.slow
def test_dvc_sees_new_weights_and_trains_who_starts_from_them(workspace: Workspace) -> None:
    """Asked of DVC itself, in a workspace where it takes all stages for done."""
    layout, held = Layout(workspace.folder), workspace.folder / NAME
    held.write_bytes(b"weights")
    write_json(layout.search("cnn") / "pretrained.json", {NAME: "its hash"})
    write_json(layout.search("cnn") / "chosen.json", {})
    for stage, key in (("search", "cnn"), ("train", "cnn_1")):
        entry = dvcfile.entry(stage, key, TREE, ROOT / "dvc.yaml")
        for path in (*entry.deps, *entry.outs):
            if not (workspace.folder / path).exists():
                (workspace.folder / path).mkdir(parents=True)
    workspace.run("dvc", "commit", "--force", "search@cnn", "train@cnn_1")
    assert changes(workspace) == {}
    held.write_bytes(b"weightz")
    assert changes(workspace) == {"search@cnn": {WEIGHTS: "modified"}}
    write_json(layout.search("cnn") / "pretrained.json", {NAME: "another hash"})
    assert changes(workspace)["train@cnn_1"] == {"artifacts/search/cnn/pretrained.json": "modified"}


def changes(workspace: Workspace) -> dict[str, dict[str, str]]:
    """By stage, the dependencies that have changed."""
    messages = json.loads(workspace.run("dvc", "status", "--json", "search@cnn", "train@cnn_1"))
    return {
        stage: change["changed deps"]
        for stage, found in messages.items()
        for change in found
        if "changed deps" in change
    }
