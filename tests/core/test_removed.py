"""What removed entries have left in folders on which others depend."""

import subprocess
from pathlib import Path

import pytest

from pipeline.core.dvcfile import entry
from pipeline.core.removed import remove_outputs
from tests.conftest import forking_python

DVC = """
stages:
  make:
    foreach: ${parts}
    do:
      cmd: mkdir -p parts runs; echo ${key} > parts/${key}; echo ${key} > runs/${key}
      outs: ["parts/${key}", "runs/${key}"]
  gather:
    cmd: ls parts > all
    deps: [parts]
    outs: [all]
  other:
    cmd: touch own
    outs: [own]
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, None]]:
    """Parameters of `a` alone, where `b` and `c` were once, and of a folder that DVC knows not."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text(DVC)
    Path("params.yaml").write_text("parts: {a: {}, b: {}, c: {}}\n")
    for command in (["init", "--no-scm"], ["repro"]):
        subprocess.run([forking_python(), "-m", "dvc", *command, "-q"], check=True)
    Path("parts/mine").write_text("mine")
    return {"parts": {"a": None}}


def found() -> set[str]:
    return {f"{path}" for folder in ("parts", "runs") for path in Path(folder).iterdir()}


def test_they_go_and_nothing_else_does(tree: dict[str, dict[str, None]]) -> None:
    before = found()
    remove_outputs(entry("other", "", tree), tree)
    remove_outputs(entry("make", "a", tree), tree)
    assert found() == before
    remove_outputs(entry("gather", "", tree), tree)
    assert found() == {"parts/a", "parts/mine", "runs/a"}


def test_what_is_nowhere_else_stays_and_is_named(
    tree: dict[str, dict[str, None]], capsys: pytest.CaptureFixture[str]
) -> None:
    for kept in Path(".dvc/cache").rglob("*"):
        if kept.is_file() and kept.read_text() == "b\n":
            kept.unlink()
    remove_outputs(entry("gather", "", tree), tree)
    assert found() == {"parts/a", "parts/b", "parts/mine", "runs/a", "runs/b"}
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["parts/b", "runs/b"]
    assert "belongs to an entry that params.yaml no longer has" in said[0]
