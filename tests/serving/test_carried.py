"""A packaged model carries all the code that it can reach, and not much more."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.core.component import FAMILIES, names
from pipeline.serving.carried import INTERFACE, copy_code, files
from tests.conftest import ROOT, fork_server

LOADED = [(family, name) for family in ("task", "model", "method", "calibrator")
          for name in names(family)]  # fmt: skip


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules of Convoy that a module imports at any depth, but for its type checker."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        yield from imported(node)


def of_module(module: str) -> Path | None:
    """Where the repository has a module, if it is one of Convoy."""
    place = Path(*module.split("."))
    found = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in found if (ROOT / path).is_file()), None)


@pytest.mark.parametrize(("family", "name"), LOADED)
def test_what_a_component_imports_is_carried_with_it(family: str, name: str) -> None:
    component = f"{FAMILIES[family]}.{name}"
    carried = set(files({INTERFACE, component}))
    assert {of_module(INTERFACE), of_module(component)} <= carried
    for path in carried:
        needed = set(map(of_module, imported(ast.parse((ROOT / path).read_text()))))
        assert needed - {None} <= carried, path
        assert all((ROOT / room / "__init__.py").is_file() for room in path.parents[:-1])
        assert {room / "__init__.py" for room in path.parents[:-1]} <= carried


def test_they_load_where_nothing_else_is(tmp_path: Path) -> None:
    """Also what a module imports by a name that only running it tells."""
    modules = [INTERFACE, *(f"{FAMILIES[family]}.{name}" for family, name in LOADED)]
    copy_code(set(modules), tmp_path)
    (tmp_path / "stages").mkdir()
    lines = [f"import {module}\nprint({module}.__file__)" for module in modules]
    (tmp_path / "stages/load.py").write_text("\n".join(lines))
    command = [fork_server().commands / "python", "-m", "stages.load"]
    loaded = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    places = loaded.stdout.splitlines()
    assert len(places) == len(modules)
    assert all(place.startswith(f"{tmp_path}/") for place in places)


def test_what_no_model_reaches_is_left_out() -> None:
    modules = {INTERFACE, *(f"{FAMILIES[family]}.{name}" for family, name in LOADED)}
    rooms = {path.parts[1] for path in files(modules)}
    assert not rooms & {"training", "search", "tracking", "report", "execution", "evaluation"}
