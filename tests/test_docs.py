"""README, CONTRIBUTING and the pages of docs/, followed to the letter."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.config.load import parse_params
from pipeline.core.files import read_yaml
from tests.conftest import ROOT, Workspace, brief
from tests.preprocessing.test_sources import idx_bytes

README = (ROOT / "README.md").read_text()
PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
TEXTS = {"README.md": README, **PAGES}
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    """The contents of all fenced blocks of one language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.M | re.S)
    return [re.sub(rf"^{indent}", "", body, flags=re.M) for indent, body in found]


def commands() -> list[str]:
    """Each once, those of the README first."""
    found = [block for text in TEXTS.values() for block in blocks(text, "bash")]
    lines = [line for block in found for line in block.splitlines()]
    stripped = (line.split("#")[0].strip() for line in lines)
    return list(dict.fromkeys(line for line in stripped if line))


def clothes(folder: Path) -> None:
    """A few pictures in the shape of Fashion-MNIST, so that its example runs without it."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for prefix, size in (("train", 300), ("t10k", 60)):
        labels = (np.arange(size) % 10).astype(np.uint8)
        images = generator.integers(0, 60, (size, 28, 28), np.uint8) + 15 * labels[:, None, None]
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            file = folder / f"{prefix}-{kind}-ubyte.gz"
            file.write_bytes(gzip.compress(idx_bytes(array)))


def shorten(example: Path) -> None:
    """Two members, small and of one epoch, shown when all is done."""
    yaml = YAML(typ="safe")
    tree = yaml.load(example)
    for recipe in tree["recipes"].values():
        recipe["training"].update(epochs=1, batch_size=32, schedule={"name": "constant"})
        recipe["model"].update(widths=[4, 8, 8])
    del tree["members"]["cnn_3"]
    brief(tree)
    yaml.dump(tree | {"tracking": {"live": False}}, example)


def answers(workspace: Workspace, command: str, path: str = "") -> str:
    """It prints an address that a browser can open, and Ctrl-C ends it."""
    server = workspace.start("bash", "-c", command)
    assert server.stdout
    address = next(found for line in server.stdout if (found := re.search(r"http://\S+", line)))
    fetch = (
        "import sys, time, urllib.request\n"
        "for _ in range(240):\n"
        "    try: print(urllib.request.urlopen(sys.argv[1]).read().decode()); break\n"
        "    except OSError: time.sleep(0.5)\n"
    )
    page = subprocess.run(
        [sys.executable, "-c", fetch, address[0] + path],
        capture_output=True,
        text=True,
        timeout=200,
    ).stdout
    os.killpg(server.pid, signal.SIGINT)
    server.wait(timeout=30)
    return page


@contextmanager
def sharing(workspace: Workspace) -> Iterator[None]:
    """Have the recipe `cnn` searched by workers whose database is a file."""
    params = workspace.folder / "params.yaml"
    before = params.read_text()

    def share(tree: dict[str, Any]) -> None:
        space = {"training.lr": {"low": 0.001, "high": 0.02, "log": True}}
        search = {"budget": {"trials": 2}, "epochs": 1, "space": space, "asynchronous": True}
        tree["recipes"]["cnn"]["search"] = search
        tree["execution"] = {"search_storage": f"sqlite:///{workspace.folder}/studies.db"}

    workspace.edit(share)
    yield
    params.write_text(before)


@pytest.mark.slow
def test_every_command_of_the_readme_and_the_docs_runs(copy: Workspace) -> None:
    clothes(copy.folder / "data/raw/fashion-mnist")
    shorten(copy.folder / "examples/fashion_mnist/params.yaml")
    (copy.folder / "photos").mkdir()
    cv2.imwrite(str(copy.folder / "photos/a.png"), np.zeros((20, 20, 3), np.uint8))
    listed = commands()
    assert len(listed) > 10
    for command in listed:
        if command == "make test":
            continue  # is what runs this
        if command == "convoy compare HEAD workspace":  # of which a change is asked before
            copy.edit(lambda tree: tree["ensemble"].update(methods=[{"name": "majority"}]))
            copy.run("dvc", "repro", "evaluate")
        if command == "convoy worker cnn":  # several machines need a database
            with sharing(copy):
                printed = copy.run("bash", "-c", command)
            assert "2 of 2 trials of the study are complete" in printed
        elif command == "make ui":
            assert "<title>MLflow</title>" in answers(copy, command)
        elif command.startswith("make dashboard"):
            with sharing(copy):
                assert "Optuna Dashboard" in answers(copy, command)
        elif command == "make serve":
            assert answers(copy, command, "/version") == f"{version('mlflow')}\n"
        else:
            copy.run("bash", "-c", command)


@pytest.mark.slow
def test_the_python_of_the_docs_runs(reproduced: Workspace, tmp_path: Path) -> None:
    shutil.copytree(reproduced.folder / "artifacts/model", tmp_path / "artifacts/model")
    for name in ("a.png", "b.jpg"):
        cv2.imwrite(str(tmp_path / name), np.zeros((20, 20, 3), np.uint8))
    code, _ = blocks(PAGES["serving.md"], "python")  # tests/serving/test_onnx_package.py runs ONNX
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def merged(into: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    for key, value in part.items():
        is_part = isinstance(into.get(key), dict) and "name" not in value
        into[key] = merged(into[key], value) if is_part else value
    return into


def test_the_parameters_of_the_readme_and_the_docs_are_accepted() -> None:
    found = {name: blocks(text, "yaml") for name, text in TEXTS.items()}
    assert sum(map(len, found.values())) >= 9
    for name, texts in found.items():
        for block in texts:
            tree = merged(read_yaml(ROOT / "params.yaml"), YAML(typ="safe").load(block))
            parse_params(tree, name)


def test_the_readme_takes_five_minutes() -> None:
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", *(f"docs/{p}" for p in PAGES)])
def test_every_file_that_is_shown_or_linked_is_there(name: str) -> None:
    text = (ROOT / name).read_text()
    for path in re.findall(r"\]\((?!http)([^)]+)\)", text):
        assert (ROOT / name).parent.joinpath(path).is_file(), path
    for path in re.findall(r"`((?:pipeline|stages|tests|bench|examples)/[\w/.]+\.\w+)`", text):
        assert (ROOT / path).is_file() or "NAME" in path or "linear" in path, path


def test_the_docs_become_a_site_with_a_search_box(tmp_path: Path) -> None:
    for part in ("mkdocs.yml", "CONTRIBUTING.md"):
        shutil.copy(ROOT / part, tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    zensical = Path(sys.executable).parent / "zensical"
    subprocess.run([zensical, "build", "--strict"], cwd=tmp_path, check=True, capture_output=True)
    found = json.loads((tmp_path / "site/search.json").read_text())
    assert "convoy adopt" in json.dumps(found)
    for page in PAGES:
        assert (tmp_path / "site" / page).with_suffix(".html").is_file()


@pytest.mark.slow
def test_the_model_of_contributing_is_found_and_trains(copy: Workspace) -> None:
    (code,) = blocks(CONTRIBUTING, "python")
    (copy.folder / "pipeline/models/architectures/linear.py").write_text(code)

    def use(tree: dict[str, Any]) -> None:
        tree["recipes"]["cnn"]["model"] = {"name": "linear", "dropout": 0.1}

    copy.edit(use)
    printed = copy.run("dvc", "repro", "train@cnn_1")
    assert "train cnn_1  epoch 2/2" in printed
    copy.edit(lambda tree: tree["recipes"]["cnn"]["model"].update(dropout=2.0))
    refused = copy.run("convoy", "check", status=1)
    assert "recipes.cnn.model.dropout: got 2.0; allowed less than 1" in refused
