"""The spool: what is written is read back, and a torn line is ignored."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.files import read_json
from pipeline.core.run_log import METRICS_FILE, Figure, Spool

IDENTITY = {"fingerprint": "f", "stage": "train", "key": "a", "outs": []}


def opened(folder: Path) -> Spool:
    spool = Spool(folder)
    spool.open("train/a", IDENTITY)
    return spool


def test_figures_come_back_in_order(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.record({"a": 1.5, "b": 2.0}, step=0)
    spool.record({"a": 1.25}, step=1)
    assert spool.figures() == [Figure("a", 1.5, 0), Figure("b", 2.0, 0), Figure("a", 1.25, 1)]


@given(cut=st.integers(0, 200))
def test_a_torn_line_is_left_out(tmp_path_factory, cut: int) -> None:
    spool = opened(tmp_path_factory.mktemp("spool"))
    for step in range(4):
        spool.record({"value": 1 / 3}, step)
    whole, path = spool.figures(), spool.folder / METRICS_FILE
    path.write_bytes(path.read_bytes()[:cut])
    found = spool.figures()
    assert found == whole[: len(found)]
    assert len(found) == path.read_text().count("\n")


def test_the_same_figures_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        spool = opened(tmp_path / name)
        spool.record({"value": 0.1}, 3)
        spool.nested("trial_000", {"params": {"lr": "1"}}).record({"value": 1.0})
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.json*"))
    assert len(files) == 4
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_nested_run_is_identified_by_its_parent_and_name(tmp_path: Path) -> None:
    child = opened(tmp_path).nested("trial_000", {"params": {"lr": "0.1"}})
    identity = read_json(child.folder / "run.json")
    assert identity["fingerprint"] == "f/trial_000"
    assert identity["name"] == "train/a/trial_000"
    assert identity["params"] == {"lr": "0.1"}
