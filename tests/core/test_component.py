"""Discovery: a component's parameters are read without running its file, and agree with it."""

import subprocess
import sys

import pytest

from pipeline.core.component import FAMILIES, Component, load, names, schema
from tests.conftest import ROOT

ALL = [(family, name) for family in FAMILIES for name in names(family)]


@pytest.mark.parametrize(("family", "name"), ALL)
def test_parameters_read_from_source_are_those_of_the_file(family: str, name: str) -> None:
    static = schema(family, name)
    running = load(family, Component(name=name)).Params
    assert issubclass(running, Component)
    described = {k: (f.annotation, f.default) for k, f in static.model_fields.items()}
    expected = {k: (f.annotation, f.default) for k, f in running.model_fields.items()}
    described.pop("name")
    expected.pop("name")
    assert str(described) == str(expected)


@pytest.mark.parametrize(("family", "name"), ALL)
def test_every_component_says_what_it_is(family: str, name: str) -> None:
    module = load(family, Component(name=name))
    assert module.__doc__
    assert module.Params.__doc__


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_members(family: str) -> None:
    assert names(family)


def test_checking_parameters_imports_nothing_heavy() -> None:
    """This lets a stage without torch start at once."""
    code = (
        "import sys; from pathlib import Path; from pipeline.config.load import load_params;"
        "load_params(Path('params.yaml'));"
        "heavy = {'torch', 'mlflow', 'pandas', 'sklearn', 'scipy', 'albumentations', 'optuna'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
