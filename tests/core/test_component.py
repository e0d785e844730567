"""Discovery: every component's parameters are found, named after its file, and quick to read."""

import subprocess
import sys

import pytest

from pipeline.core.component import FAMILIES, Component, load, names, schema
from tests.conftest import ROOT

ALL = [(family, name) for family in FAMILIES for name in names(family)]
SLOW = {
    "PIL", "albumentations", "cv2", "matplotlib", "mlflow", "optuna", "pandas", "pyarrow",
    "pytorch_lightning", "scipy.optimize", "scipy.special", "scipy.stats", "sklearn", "timm",
    "torch", "torchvision",
}  # fmt: skip


@pytest.mark.parametrize(("family", "name"), ALL)
def test_a_component_is_named_after_its_file_and_accepts_no_other_name(
    family: str, name: str
) -> None:
    known = schema(family, name)
    assert issubclass(known, load(family, Component(name=name)).Params)
    with pytest.raises(ValueError, match=f"Input should be '{name}'"):
        known.model_validate({"name": f"{name}_"})


@pytest.mark.parametrize(("family", "name"), ALL)
def test_every_component_says_what_it_is(family: str, name: str) -> None:
    module = load(family, Component(name=name))
    assert module.__doc__
    assert module.Params.__doc__


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_members(family: str) -> None:
    assert names(family)


def test_a_file_without_parameters_is_refused_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "loss", "pipeline.losses.shared")
    with pytest.raises(
        TypeError, match=r"losses/shared/focal\.py: a component needs `class Params"
    ):
        schema.__wrapped__("loss", "focal")


def test_reading_parameters_imports_nothing_slow() -> None:
    """A stage starts at once, and a wrong parameter is refused at once."""
    code = (
        "import sys; from pathlib import Path; from pipeline.config.load import load_params;"
        f"load_params(Path('params.yaml')); found = {SLOW} & set(sys.modules);"
        "print(*sorted(found))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "\n"
