"""Discovery: every component's parameters are found, named after its file, and quick to read."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core import component
from pipeline.core.component import FAMILIES, Component, load, names, schema
from pipeline.core.errors import UserError
from tests.conftest import ROOT

ALL = [(family, name) for family in FAMILIES for name in names(family)]
SLOW = {
    "PIL", "albumentations", "cv2", "matplotlib", "mlflow", "optuna", "pandas", "pyarrow",
    "pytorch_lightning", "scipy.optimize", "scipy.special", "scipy.stats", "sklearn", "timm",
    "torch", "torchvision",
}  # fmt: skip
ARRAYS = {"numpy", "jaxtyping"}
ON_ARRAYS = ["method", "calibrator"]  # families whose files may import them: few users list any


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
    with pytest.raises(UserError, match=r"losses/shared/focal\.py: no `class Params\(Component\)`"):
        schema.__wrapped__("loss", "focal")


def test_what_a_family_needs_is_named_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ensemble method without PER_LABEL would otherwise fail after all members are trained."""
    monkeypatch.setitem(FAMILIES, "method", "pipeline.losses")
    message = (
        r"losses/focal\.py: no `PER_LABEL` at the top level; add it, as pipeline/losses/__init__"
    )
    with pytest.raises(UserError, match=message):
        schema.__wrapped__("method", "focal")


@pytest.mark.parametrize("stem", ["Mixer", "mi-xer", "2mixer"])
def test_a_name_that_no_parameter_file_should_hold_is_refused(
    stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{stem}.py").touch()
    monkeypatch.setattr(component, "_folder", lambda _: tmp_path)
    with pytest.raises(
        UserError, match=f"{stem}.py: a component's name consists of a-z, 0-9 and _"
    ):
        names("loss")


def test_reading_parameters_imports_nothing_slow() -> None:
    """A stage starts at once, and a wrong parameter is refused at once."""
    light = [family for family in FAMILIES if family not in ON_ARRAYS]
    code = f"""
import sys
from pathlib import Path
from pipeline.config.load import load_params
from pipeline.core.component import names, schema

load_params(Path("params.yaml"))
print("params.yaml:", *{SLOW | ARRAYS} & set(sys.modules))
for families, slow in ({light}, {SLOW | ARRAYS}), ({ON_ARRAYS}, {SLOW}):
    for family in families:
        for name in names(family):
            schema(family, name)
            if slow & set(sys.modules):
                sys.exit(f"{{family}}/{{name}}: {{slow & set(sys.modules)}}")
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("params.yaml:\n", "")
