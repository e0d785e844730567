"""DVC's lock file that a kill has cut off: what it and the last copy of it say is restored."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.core.lock_file import keep_copy, restore_torn
from tests.conftest import Workspace


def text_of(entries: dict[str, int]) -> str:
    """A lock file as DVC writes it, in which each entry has one output."""
    out = "    cmd: python -m stages.{0}\n    outs:\n    - path: artifacts/{0}\n      md5: {1}\n"
    stages = "".join(f"  {name}:\n" + out.format(name, md5) for name, md5 in entries.items())
    return f"schema: '2.0'\nstages:\n{stages}"


def hashes(path: Path) -> dict[str, int]:
    stages = YAML(typ="safe").load(path)["stages"]
    return {name: entry["outs"][0]["md5"] for name, entry in stages.items()}


BEFORE = {"preprocess": 1, "search@cnn": 2, "train@cnn_1": 3}
AFTER = {**BEFORE, "search@cnn": 20, "train@cnn_2": 4}


@given(cut=st.integers(0, len(text_of(AFTER)) - 1))
def test_each_entry_is_as_before_or_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    lock, kept = folder / "dvc.lock", folder / "scratch/dvc.lock"
    lock.write_text(text_of(BEFORE))
    keep_copy(lock, kept)
    lock.write_text(text_of(AFTER)[:cut])
    try:
        is_readable = isinstance(YAML(typ="safe").load(lock), dict)
    except Exception:
        is_readable = False
    restored = restore_torn(lock, kept)
    assert (restored is None) == is_readable
    if restored is not None:
        found = hashes(lock)
        assert sorted(found) == restored
        assert set(BEFORE) <= set(found) <= set(AFTER)
        assert all(found[name] in (BEFORE.get(name), AFTER[name]) for name in found)


def test_a_whole_file_and_one_without_a_copy_stay(tmp_path: Path) -> None:
    lock, kept = tmp_path / "dvc.lock", tmp_path / "kept"
    assert restore_torn(lock, kept) is None
    keep_copy(lock, kept)
    assert not kept.exists()
    lock.write_text("stages: {a: {")
    assert restore_torn(lock, kept) is None
    lock.write_text(text_of(BEFORE))
    keep_copy(lock, kept)
    assert restore_torn(lock, kept) is None
    assert hashes(lock) == BEFORE


@pytest.mark.slow
def test_dvc_goes_on_from_a_restored_file(copy: Workspace) -> None:
    """What was finished stays so: the last entry, which no copy holds, is in the cache of runs."""
    lock = copy.folder / "dvc.lock"
    text = lock.read_text()
    lock.write_text(text[: len(text) // 2] + "\n    - {")
    assert "'./dvc.lock' is invalid" in copy.run("dvc", "repro", status=255)
    assert "dvc.lock: was left half-written by a DVC command" in copy.run("convoy", "check")
    printed = copy.run("dvc", "repro")
    assert "Stage 'package' is cached - skipping run" in printed
    assert "Running stage" not in printed
    assert YAML(typ="safe").load(lock) == YAML(typ="safe").load(text)
