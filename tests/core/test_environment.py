"""What a run keeps of the machine that it ran on."""

from importlib.metadata import version
from pathlib import Path

import pytest

from pipeline.core import environment as module
from pipeline.core.environment import environment, library_version


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of those by which Linux describes the machine."""
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nmodel name\t: Abacus 9000 @ 1 Hz\nflags\t:\n" * 2
    )
    monkeypatch.setattr(module, "CPU_FILE", tmp_path / "cpuinfo")
    monkeypatch.setattr(module, "GPU_FOLDER", tmp_path / "gpus")
    monkeypatch.setattr(module, "LOCK", tmp_path / "requirements.lock")
    environment.cache_clear()
    return tmp_path


def test_it_names_processor_gpus_libraries_and_the_lock_file(machine: Path) -> None:
    for place, model in (("0000:01", "NVIDIA H200"), ("0000:02", "NVIDIA H200"), ("0000:03", "T4")):
        folder = machine / "gpus" / place
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t {model}\nIRQ:   1\n")
    (machine / "requirements.lock").write_text("torch==1\n")
    found = environment()
    assert found["environment.processor"] == "Abacus 9000 @ 1 Hz"
    assert found["environment.gpus"] == "2 x NVIDIA H200, 1 x T4"
    assert f"torch {version('torch')}" in found["environment.libraries"].split(", ")
    before = found["environment.lock_file"]
    (machine / "requirements.lock").write_text("torch==2\n")
    environment.cache_clear()
    assert environment()["environment.lock_file"] != before


def test_what_is_not_there_is_not_made_up(machine: Path) -> None:
    (machine / "cpuinfo").unlink()
    found = environment()
    assert found["environment.gpus"] == "none"
    assert found["environment.processor"]
    assert "environment.lock_file" not in found
    assert library_version("no-such-library") == "missing"
