"""What a run says, and how its series are thinned."""

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.artifacts import Card
from pipeline.core.dvcfile import LOCK
from pipeline.core.git import git
from pipeline.core.paths import Layout
from pipeline.core.run_log import RUN_FILE, Figure, Spool
from pipeline.tracking.datasets import Datasets
from pipeline.tracking.document import EVERY_STEP_BELOW, Document, is_shown
from pipeline.tracking.mirror import ended
from pipeline.tracking.state import _name, note


def document(folder: Path, figures: list[Figure]) -> Document:
    spool = Spool(folder)
    spool.open("train/cnn_1", {"fingerprint": "f"})
    spool.rewrite(figures)
    return Document("train/cnn_1", "f", folder)


def test_short_series_are_shown_whole(tmp_path: Path) -> None:
    figures = [Figure("loss", step / 7, step) for step in range(EVERY_STEP_BELOW)]
    assert document(tmp_path, figures).figures == figures


def test_a_long_series_keeps_its_shape_and_its_end(tmp_path: Path) -> None:
    figures = [Figure("loss", 1 / (step + 1), step) for step in range(100_003)]
    shown = document(tmp_path, figures).figures
    assert len(shown) < 5_000
    assert shown[-1] == figures[-1]
    steps = [figure.step for figure in shown[:-1]]
    gaps = [(after - before) / (after + 1) for before, after in pairwise(steps)]
    assert max(gaps[EVERY_STEP_BELOW:]) < 0.01


@given(step=st.integers(0, 10**9))
def test_whether_a_step_is_shown_depends_on_nothing_that_comes_later(step: int) -> None:
    """So what was pushed while a run was going is what is pushed once it has ended."""
    assert is_shown(step) or step >= EVERY_STEP_BELOW
    stride = next(s for s in (2**n for n in range(40)) if s > step // EVERY_STEP_BELOW)
    assert is_shown(step) == (step % stride == 0)


def test_whatever_a_run_says_changes_its_digest(tmp_path: Path) -> None:
    plain = document(tmp_path / "a", [Figure("loss", 1.0, 0)])
    same = document(tmp_path / "b", [Figure("loss", 1.0, 0)])
    assert plain.digest == same.digest
    other = document(tmp_path / "c", [Figure("loss", 2.0, 0)])
    tagged = Document("train/cnn_1", "f", tmp_path / "a", tags={"state": "FAIL"})
    failed = Document("train/cnn_1", "f", tmp_path / "a", status="FAILED")
    assert len({plain.digest, other.digest, tagged.digest, failed.digest}) == 4


def test_a_description_holds_the_verdict_all_systems_and_the_data() -> None:
    systems = {
        name: {"accuracy": {"value": value, "low": value - 0.1, "high": value + 0.05}}
        for name, value in {"a_member": 0.8, "mean": 0.9, "other": 0.7}.items()
    }
    systems["mean"]["log_loss"] = {"value": 0.3}
    compared = {
        "kind": "labels",
        "headline": "accuracy",
        "chosen": "mean",
        "best_member": "a_member",
        "systems": systems,
        "verdict": "the ensemble mean beats the best member a_member",
        "resolved": "with these 80 test samples, 2 points are detected",
        "advice": ["advice: train a second seed"],
    }
    counts = {"train": 1200, "test": 80}
    text = note(json.loads(json.dumps(compared)), counts, ("a", "b"))
    assert "**The ensemble mean beats the best member a_member.**" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == "| system | accuracy | log loss |"
    assert rows[2] == "| mean (chosen) | 0.9000 [0.8000, 0.9500] | 0.3000 |"
    assert rows[3] == "| a_member (best member) | 0.8000 [0.7000, 0.8500] | – |"
    assert rows[4].startswith("| other |")
    assert "Data: 1,200 train, 80 test images of 2 labels." in text
    assert "Not evaluated yet." in note({}, counts, ("a", "b"))
    assert "Packaged is" not in text
    student = note(compared, counts, ("a", "b"), model="other")
    assert "Packaged is the student other: accuracy 0.7000 [0.6000, 0.7500]." in student


def test_a_description_names_no_commit_that_gives_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dvc repro` after a change of params.yaml runs at the commit of what was there before."""
    monkeypatch.chdir(tmp_path)
    by_id = "Reproduce: `convoy reproduce RUN_ID`, once `dvc.lock` is committed."
    assert note({}, {}, ()).endswith(by_id)  # not a repository
    for arguments in (
        ["init", "-q"],
        ["config", "user.email", "a@b"],
        ["config", "user.name", "a"],
    ):
        assert git(*arguments) is not None
    LOCK.write_text("first\n")
    assert note({}, {}, ()).endswith(by_id)
    assert git("add", "dvc.lock") is not None
    assert git("commit", "-qm", "first") is not None
    head = git("rev-parse", "HEAD") or ""
    assert note({}, {}, ()).endswith(f"Reproduce: `convoy reproduce {head[:12]}`.")
    assert _name({"source": {"name": "folder"}, "path": "data/pets"}, {}) == f"pets · {head[:7]}"
    LOCK.write_text("second\n")
    assert note({}, {}, ()).endswith(by_id)
    assert (
        _name({"source": {"name": "folder"}, "path": "data/pets"}, {}) == f"pets · {head[:7]}-dirty"
    )


def test_images_are_counted_whatever_the_number_of_their_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    counts = {"train": {"a": 9, "b": 0}, "val": {"a": 1, "b": 2}, "test": {"a": 3, "b": 3}}
    Card(("a", "b"), (8, 8, 1), "crop", 1, counts, (0.5,), (0.2,), "data").save(Layout().card)
    for part, folds in {"trainval": [-1, 0, -1, -1, 0, -1], "test": [-1, -1, -1]}.items():
        (Layout().processed / part).mkdir()
        np.save(Layout().processed / part / "folds.npy", folds)
    found = Datasets({"source": {"name": "csv"}, "path": "data/raw/pets"})
    assert found.num_images == {"train": 4, "val": 2, "test": 3}
    assert found.parts["trainval"].counts == {split: counts[split] for split in ("train", "val")}


def test_a_state_with_an_evaluation_from_the_cache_does_not_end_before_it_began(
    tmp_path: Path,
) -> None:
    times_s = {"evaluate": 1000, "preprocess": 2000}
    for name, time_s in times_s.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / RUN_FILE).write_text("{}")
        os.utime(tmp_path / name / RUN_FILE, (time_s, time_s))
    own = Document("digits", "f", tmp_path / "evaluate")
    assert ended(own) == 1000
    assert ended(replace(own, begun=tmp_path / "preprocess" / RUN_FILE)) == 2000
    assert ended(replace(own, folder=tmp_path / "none")) is None
