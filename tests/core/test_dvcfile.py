"""Convoy's reading of dvc.yaml: entries, their parameters, and the fingerprint of their work."""

import os
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from pipeline.core import dvcfile
from pipeline.core.errors import UserError
from tests.config.test_params import TREE, changed
from tests.conftest import ROOT

DVC = ROOT / "dvc.yaml"


def test_templates_are_filled_in() -> None:
    entry = dvcfile.entry("train", "cnn_2", TREE, DVC)
    assert entry.name == "train/cnn_2"
    assert "artifacts/search/cnn/chosen.json" in entry.deps
    assert entry.outs == ("artifacts/members/cnn_2", "artifacts/runs/train/cnn_2")
    assert "data/raw" in dvcfile.entry("preprocess", "", TREE, DVC).deps


def test_settings_are_flat_and_only_its_own() -> None:
    settings = dvcfile.entry("train", "cnn_2", TREE, DVC).settings(TREE)
    assert settings["members.cnn_2.seed"] == 2
    assert settings["hardware.precision"] == "fp32"
    assert not any(key.startswith(("recipes", "data", "members.cnn_1")) for key in settings)


@pytest.mark.parametrize(
    ("stage", "key", "message"),
    [
        ("train", "cnn_3", "stages.train: got cnn_3; allowed cnn_1, cnn_2, resnet_1, resnet_2"),
        ("train", "", "stages.train: got no key; allowed cnn_1"),
        ("evaluate", "cnn_1", "stages.evaluate: got 'cnn_1', but the stage takes no key"),
        ("trian", "", "no stage 'trian'; allowed augment, calibrate,"),
    ],
)
def test_an_entry_that_is_not_there_is_refused(stage: str, key: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        dvcfile.entry(stage, key, TREE, DVC)
    assert message in str(caught.value)


def fingerprint(tree: dict[str, Any], folder: Path) -> str:
    entry = dvcfile.entry("train", "cnn_1", tree, DVC)
    return dvcfile.Entry("train", "cnn_1", (str(folder),), entry.params, ()).fingerprint(tree)


def test_the_fingerprint_is_of_parameters_and_content(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/code.py").write_text("x = 1")
    first = fingerprint(TREE, tmp_path)
    assert fingerprint(TREE, tmp_path) == first
    other_member = changed(("members", "cnn_2", "seed"), 9)
    assert fingerprint(other_member, tmp_path) == first
    assert fingerprint(changed(("members", "cnn_1", "seed"), 9), tmp_path) != first
    (tmp_path / "a/__pycache__").mkdir()
    (tmp_path / "a/__pycache__/code.pyc").write_text("compiled")
    assert fingerprint(TREE, tmp_path) == first
    (tmp_path / "a/code.py").write_text("x = 2")
    second = fingerprint(TREE, tmp_path)
    assert second != first
    (tmp_path / "a/code.py").rename(tmp_path / "a/moved.py")
    assert fingerprint(TREE, tmp_path) not in (first, second)


def test_a_lock_file_that_dvc_is_writing_is_read_when_it_is_whole(tmp_path: Path) -> None:
    lock, text = tmp_path / "dvc.lock", "schema: '2.0'\nstages:\n  train@a:\n    cmd: train\n"
    for end in (0, 5, 14, 20, 22, 30, 35, len(text) - 1):
        lock.write_text(text[:end])
        rest = Timer(0.02, lambda: lock.write_text(text))
        rest.start()
        assert dvcfile.locked_stages(lock) == {"train@a": {"cmd": "train"}}
        rest.join()


def test_a_file_that_is_no_lock_file_is_named(tmp_path: Path) -> None:
    assert dvcfile.locked_stages(tmp_path / "dvc.lock") == {}
    for text in ("", "stages: [", "a: 1\n", "stages"):
        (tmp_path / "dvc.lock").write_text(text)
        os.utime(tmp_path / "dvc.lock", (0, 0))
        with pytest.raises(UserError, match=r"dvc.lock: not a lock file of DVC; restore it from"):
            dvcfile.locked_stages(tmp_path / "dvc.lock")
