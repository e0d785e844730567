"""The rules of the code base that no linter knows."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from pipeline import graph, params
from pipeline.component import FAMILIES
from pipeline.training import start
from tests.conftest import ROOT

CODE = sorted([*ROOT.glob("pipeline/**/*.py"), *ROOT.glob("stages/*.py")])
STAGES = sorted(p.stem for p in ROOT.glob("stages/*.py") if p.stem != "__init__")
TREE = params.read(ROOT / "params.yaml")
WITH_SOUP = {**TREE, "soups": {"soup_1": {}}}  # an entry of each stage
GRAPH = grimp.build_graph("pipeline", "stages", cache_dir=None)

TRAINING = {str(path.relative_to(ROOT)) for path in ROOT.glob("pipeline/training/**/*.py")}
DOORS = {
    "pytorch_lightning": TRAINING,
    "lightning_fabric": {"pipeline/training/trainer.py"},
    "lightning_utilities": set(),
    "torch.distributed": {"pipeline/training/batch_norm.py", "pipeline/training/sharding.py"},
    "optuna": {"pipeline/search/study.py"},
    "mlflow": {
        "pipeline/tracking/store.py",
        "pipeline/serving/package.py",
        "pipeline/serving/pyfunc.py",
    },
    "albumentations": {
        "pipeline/augmentation/policy.py",
        *(str(p.relative_to(ROOT)) for p in ROOT.glob("pipeline/augmentation/policies/*.py")),
    },
}


def modules_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("library", DOORS)
def test_each_library_has_one_door(library: str) -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in CODE
        if any(m == library or m.startswith(library + ".") for m in modules_of(path))
    }
    assert users <= DOORS[library]


def entries(stage: str) -> list[graph.Entry]:
    return [e for e in graph.entries(WITH_SOUP, ROOT / "dvc.yaml") if e.stage == stage]


def imported(stage: str) -> set[str]:
    """Files a stage can reach, with whole families where it chooses by name.

    One that starts fits also reaches what their processes run.
    """
    modules = GRAPH.find_upstream_modules(f"stages.{stage}") | {f"stages.{stage}"}
    if start.__name__ in modules:
        modules |= GRAPH.find_upstream_modules(start.MODULE) | {start.MODULE}
    for module in list(modules):
        for family in loaded_families(module):
            modules |= GRAPH.find_descendants(FAMILIES[family])
            for child in GRAPH.find_descendants(FAMILIES[family]):
                modules |= GRAPH.find_upstream_modules(child)
    files = {file_of(m) for m in modules}
    return {f for f in files if not f.endswith("__init__.py")}


def loaded_families(module: str) -> set[str]:
    """The literal first arguments of `load` and `resolve` in a module."""
    tree = ast.parse((ROOT / file_of(module)).read_text())
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    firsts = [c.args[0] for c in calls if c.func.id in ("load", "resolve") and c.args]
    return {a.value for a in firsts if isinstance(a, ast.Constant) and a.value in FAMILIES}


def file_of(module: str) -> str:
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_it_imports(stage: str) -> None:
    """DVC does not follow imports: code that is missing in `deps` would change in silence."""
    deps = entries(stage)[0].deps
    uncovered = {
        f for f in imported(stage) if not any(f == d or f.startswith(d + "/") for d in deps)
    }
    assert not uncovered


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_it_does_not_import(stage: str) -> None:
    """Code that is named without need would repeat work in vain."""
    code = [d for d in entries(stage)[0].deps if d.startswith(("pipeline/", "stages/"))]
    idle = [d for d in code if not any(f == d or f.startswith(d + "/") for f in imported(stage))]
    assert not idle


# What inspect shows is chosen by evaluate.
SEES_TEST = ("preprocess", "predict", "predict_soup", "inspect")


@pytest.mark.parametrize("stage", [s for s in STAGES if s not in SEES_TEST])
def test_no_stage_that_chooses_depends_on_test_images(stage: str) -> None:
    for entry in entries(stage):
        inputs = [d for d in entry.deps if d.startswith("data/processed")]
        if stage == "evaluate":  # chooses nothing; it slices results by what is known of samples
            inputs.remove("data/processed/test/samples.csv")
        assert not any("test" in d or d == "data/processed" for d in inputs)


def test_entries_agree_with_dvc() -> None:
    """Our reading of dvc.yaml names the entries that DVC names."""
    listed = subprocess.run(
        [str(Path(sys.executable).parent / "dvc"), "stage", "list", "--name-only"],
        cwd=ROOT,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    ours = [
        f"{e.stage}@{e.key}" if e.key else e.stage for e in graph.entries(TREE, ROOT / "dvc.yaml")
    ]
    assert sorted(ours) == sorted(listed)


def functions() -> list[tuple[str, int]]:
    found = []
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno
                length = node.end_lineno - node.lineno + 1
                found.append((f"{path.relative_to(ROOT)}:{node.name}", length))
    return found


def test_functions_stay_short() -> None:
    lengths = dict(functions())
    assert not {name: length for name, length in lengths.items() if length > 60}


def test_the_lock_names_no_address_and_pins_everything() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert len(lines) > 100
    assert all("==" in line and "://" not in line and not line.startswith("-") for line in lines)
