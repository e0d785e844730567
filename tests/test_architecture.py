"""The rules of the code base that no linter knows."""

import ast
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import grimp
import pytest

from pipeline.config.components import component_code
from pipeline.config.load import parse_params
from pipeline.core import dvcfile
from pipeline.core.component import FAMILIES, names
from pipeline.core.files import read_yaml
from pipeline.execution.job import Job
from pipeline.prediction.job import PredictionJob
from tests.conftest import ROOT

CODE = sorted([*ROOT.glob("pipeline/**/*.py"), *ROOT.glob("stages/*.py")])
STAGES = sorted(p.stem for p in ROOT.glob("stages/*.py") if p.stem != "__init__")
TREE = read_yaml(ROOT / "params.yaml")
WITH_SOUP = {**TREE, "soups": {"soup_1": {}}}  # an entry of each stage
GRAPH = grimp.build_graph("pipeline", "stages", cache_dir=None)

TRAINING = {
    str(path.relative_to(ROOT))
    for folder in ("training", "callbacks")
    for path in ROOT.glob(f"pipeline/{folder}/**/*.py")
}
FRAME = "pipeline/core/"
CARRIERS = {  # rooms that compute nothing, and the other rooms that they may import
    "core": (),
    "execution": ("pipeline.core", "pipeline.config"),
}
UNWATCHED = (FRAME, "pipeline/execution/", "pipeline/callbacks/")  # none of them changes a result
WORK = {job.__module__: job.MODULE for job in (Job, PredictionJob)}  # and the process that does it
CARRIED = {  # artifacts that hold the hashes of the code they are made of, and who writes them
    "artifacts/search": "search",
    "artifacts/members": "train",
    "artifacts/soups": "soup",
    "artifacts/ensemble": "ensemble",
}
SECTIONS = {  # of params.yaml: the files of pipeline/config that hold their defaults
    "data": ("data",),
    "augmentation": ("augmentation",),
    "recipes": ("recipes", "search", "training", "optimisation", "callbacks"),
    "hardware": ("hardware",),
    "prediction": ("prediction",),
    "ensemble": ("ensembling",),
    "evaluation": ("evaluation",),
    "serving": ("serving",),
    "task": (),
    "members": (),  # names, and seeds that a network carries
    "soups": (),
}
CHOSEN = {  # by the default parameters
    "source": ["digits"],
    "policy": ["crop_flip"],
    "task": ["multiclass"],
    "model": ["cnn"],
    "loss": ["cross_entropy"],
    "method": names("method"),
    "calibrator": names("calibrator"),
}
DOORS = {
    "pytorch_lightning": TRAINING,
    "lightning_fabric": {"pipeline/training/trainer.py"},
    "lightning_utilities": set(),
    "torch.distributed": {
        "pipeline/training/batch_norm.py",
        "pipeline/training/fit.py",
        "pipeline/training/sharding.py",
    },
    "optuna": {
        f"pipeline/search/{name}.py"
        for name in (
            "bench",
            "given_up",
            "importance",
            "pruning",
            "journal",
            "memory",
            "record",
            "run",
            "samplers",
            "shared",
            "space",
            "study",
            "suggestions",
            "table",
        )
    },
    "ray": {f"pipeline/execution/cluster/{name}.py" for name in ("connection", "tasks")},
    "mlflow": {
        *(
            f"pipeline/tracking/{name}.py"
            for name in ("connection", "entities", "machine", "registry", "store")
        ),
        "pipeline/serving/package.py",
        "pipeline/serving/pyfunc.py",
        "pipeline/serving/server.py",
    },
    "albumentations": {"pipeline/augmentation/backend.py"},
    "onnx": {"pipeline/serving/onnx/export.py"},
    "onnx_ir": {"pipeline/serving/onnx/export.py"},
    "onnxruntime": {"pipeline/serving/onnx/export.py"},
    "onnxscript": set(),
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


ENTRIES = dvcfile.entries(WITH_SOUP, ROOT / "dvc.yaml")


def entries(stage: str) -> list[dvcfile.Entry]:
    return [entry for entry in ENTRIES if entry.stage == stage]


@cache
def imported(stage: str) -> set[str]:
    """The code of ours that a stage can reach, without the frame and without components.

    One that starts fits also reaches what their processes run.
    """
    modules = upstream(f"stages.{stage}")
    for process in (WORK[job] for job in WORK if job in modules):
        modules |= upstream(process)
    components = {c for m in set(modules) for f in loaded_families(m) for c in members(f)}
    modules |= {m for component in components for m in upstream(component)} - components
    files = {file_of(m) for m in modules}
    return {f for f in files if not f.endswith("__init__.py") and not f.startswith(UNWATCHED)}


def upstream(module: str) -> set[str]:
    return {*GRAPH.find_upstream_modules(module), module}


def members(family: str) -> set[str]:
    return {f"{FAMILIES[family]}.{name}" for name in names(family)}


def loaded_families(module: str) -> set[str]:
    """The literal first arguments of `load` in a module."""
    tree = ast.parse((ROOT / file_of(module)).read_text())
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    firsts = [c.args[0] for c in calls if c.func.id == "load" and c.args]
    return {a.value for a in firsts if isinstance(a, ast.Constant) and a.value in FAMILIES}


def file_of(module: str) -> str:
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"


@cache
def watched(stage: str) -> set[str]:
    """The code that a stage depends on: by name, or carried by an artifact that it depends on."""
    entry = entries(stage)[0]
    deps = entry.deps
    found = {dep for dep in deps if dep.startswith(("pipeline", "stages"))}
    if f"artifacts/components/{entry.key}.json" in deps:  # which holds the hashes of these alone
        found |= component_code(parse_params(TREE, "").recipes[entry.key]).keys()
    for artifact, source in CARRIED.items():
        if stage != source and any(dep.startswith(artifact) for dep in deps):
            found |= watched(source)
    return found


def is_covered(file: str, by: set[str]) -> bool:
    return any(file == dep or file.startswith(f"{dep}/") for dep in by)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_it_imports(stage: str) -> None:
    """DVC does not follow imports: code that is missing in `deps` would change in silence."""
    needed = {f for f in imported(stage) if not f.startswith("pipeline/config/")}
    assert not {f for f in needed if not is_covered(f, watched(stage))}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_defaults_of_its_parameters(stage: str) -> None:
    for dotted in entries(stage)[0].params:
        for file in SECTIONS[dotted.split(".")[0]]:
            assert is_covered(f"pipeline/config/{file}.py", watched(stage)), (dotted, file)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_components_it_uses(stage: str) -> None:
    """And on no other: the file of another one is not named."""
    used = {f for m in imported(stage) for f in loaded_families(module_of(m))}
    for family, names_of_family in CHOSEN.items():
        is_own = family == "policy" and stage != "augment"  # recipes may name one: none does here
        chosen = [] if is_own else names_of_family
        files = {file_of(m) for m in members(family)}
        named = {f for f in files if f in watched(stage)}
        if family in used and stage not in ("package",):
            used_files = {file_of(f"{FAMILIES[family]}.{name}") for name in chosen}
            assert named == used_files, f"dvc.yaml: name these files in the deps of {stage}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_it_does_not_import(stage: str) -> None:
    """Code that is named without need would repeat work in vain."""
    code = [d for d in entries(stage)[0].deps if d.startswith(("pipeline/", "stages/"))]
    code = [d for d in code if not d.endswith(".html")]
    components = {file_of(m) for family in FAMILIES for m in members(family)}
    reached = imported(stage) | components
    assert not [d for d in code if not any(is_covered(f, {d}) for f in reached)]


def test_no_stage_depends_on_the_frame() -> None:
    for stage in STAGES:
        assert not [d for d in entries(stage)[0].deps if d.startswith(FRAME)]


@pytest.mark.parametrize("room", CARRIERS)
def test_what_carries_changes_no_number(room: str) -> None:
    """It imports no room that computes, and no library that does."""
    package = f"pipeline.{room}"
    modules = {m for m in GRAPH.modules if m.startswith(package)}
    inside = {m for module in modules for m in GRAPH.find_modules_directly_imported_by(module)}
    assert all(m.startswith((package, *CARRIERS[room])) for m in inside)
    files = sorted(ROOT.glob(f"pipeline/{room}/**/*.py"))
    libraries = {m.split(".")[0] for path in files for m in modules_of(path)}
    assert not libraries & {"scipy", "sklearn", "pytorch_lightning", "timm", "cv2"}
    assert "torch" not in libraries or room == "execution"  # which asks it for the GPUs


def test_components_do_not_import_each_other() -> None:
    """Else an edit of one could change what uses another, and nothing would run anew."""
    for family in FAMILIES:
        for component in members(family):
            assert not GRAPH.find_modules_directly_imported_by(component) & members(family)


def test_nothing_reaches_for_a_private_name_of_another_package() -> None:
    found = []
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline"):
                names_ = [*node.module.split("."), *(alias.name for alias in node.names)]
                found += [(str(path), n) for n in names_ if n.startswith("_")]
    assert not found


def test_no_file_is_long() -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in CODE}
    assert not {name: length for name, length in lengths.items() if length > 300}


def test_nothing_lies_loose() -> None:
    assert sorted(p.name for p in ROOT.glob("pipeline/*.py")) == ["__init__.py", "__main__.py"]


def module_of(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


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
        f"{e.stage}@{e.key}" if e.key else e.stage for e in dvcfile.entries(TREE, ROOT / "dvc.yaml")
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


def test_each_class_has_a_name_of_its_own() -> None:
    """But for the `Params` of components, by which their families find them."""
    found = Counter(
        node.name
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.name != "Params"
    )
    assert [name for name, count in found.items() if count > 1] == []
