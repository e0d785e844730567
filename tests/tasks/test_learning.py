"""Regression and multilabel tasks, from a table to predictions of the right kind."""

import csv
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.cli.app import main
from pipeline.config.load import parse_params
from pipeline.config.params import Params, monitor
from pipeline.core.artifacts import Card, Predictions
from pipeline.core.component import Component, load, make
from pipeline.core.files import read_json, read_yaml
from pipeline.core.paths import Layout
from pipeline.core.run_log import Spool
from pipeline.core.stage import Stage
from pipeline.images.packed import Packed
from tests.conftest import ROOT
from tests.preprocessing.make_images import encode

NUM, SIDE_PX = 300, 8
CORNERS = {"north_west": (0, 0), "north_east": (0, 4), "south_west": (4, 0), "south_east": (4, 4)}
TASKS = {"regression": "huber", "multilabel": "binary_cross_entropy"}


def pictures() -> np.ndarray:
    """Return grey noise, in each corner of which there may be light."""
    generator = np.random.default_rng(0)
    images = generator.normal(60, 10, (NUM, SIDE_PX, SIDE_PX))
    for row, column in CORNERS.values():
        light = 100 * generator.random((NUM, 1, 1)) * (generator.random((NUM, 1, 1)) < 0.4)
        images[:, row : row + 4, column : column + 4] += light + 40 * (light > 0)
    return images.clip(0, 255).astype(np.uint8)


def targets(images: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Return the targets of each task, by column.

    The values are the mean light, far from 0 and in a small range, and the light on the right minus
    that on the left; the labels are the corners with light.
    """
    by_column = images.mean(axis=1)
    right_less_left = by_column[:, 4:].mean(axis=1) - by_column[:, :4].mean(axis=1)
    corners = {
        name: images[:, row : row + 4, column : column + 4].mean(axis=(1, 2)) > 80
        for name, (row, column) in CORNERS.items()
    }
    return {
        "regression": {"light": 1000 + by_column.mean(axis=1) / 100, "tilt": 50 * right_less_left},
        "multilabel": {name: light.astype(int) for name, light in corners.items()},
    }


def write_table(folder: Path, columns: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for number, image in enumerate(pictures()):
        (folder / f"{number:03d}.png").write_bytes(encode(image))
    with (folder / "table.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", *columns])
        table.writerows((f"{i:03d}.png", *row) for i, row in enumerate(zip(*columns.values())))  # noqa: B905


def tree(task: str, columns: list[str]) -> dict[str, Any]:
    made = read_yaml(ROOT / "params.yaml")
    source = {"name": "table", "file": "table.csv", "target": columns}
    made["data"] = {"source": source, "path": "data/raw", "val_fraction": 0.2, "test_fraction": 0.2}
    made["augmentation"] = {"policy": {"name": "none"}}
    made["hardware"] = {"accelerator": "cpu"}
    made["ensemble"] = {"methods": [{"name": "mean"}, {"name": "greedy"}]}
    recipe = {
        "model": {"name": "cnn", "widths": [8], "head": "flatten"},
        "loss": {"name": TASKS[task]},
        "training": {"epochs": 12, "batch_size": 32, "lr": 0.01},
    }
    return made | {
        "task": {"name": task},
        "recipes": {"cnn": recipe},
        "members": {"cnn_1": {"recipe": "cnn"}, "cnn_2": {"recipe": "cnn", "seed": 2}},
    }


def run(stage: str, key: str, checked: Params, outputs: Layout) -> Spool:
    """Run a stage's own function in this process, and return what it recorded."""
    scratch, spool = outputs.root / "scratch" / stage / key, Spool(outputs.runs / stage)
    spool.open(stage, {"stage": stage, "fingerprint": "f"})
    scratch.mkdir(parents=True, exist_ok=True)
    import_module(f"stages.{stage}").main(
        Stage(key, checked, Layout(), outputs, scratch, scratch, spool)
    )
    return spool


@pytest.fixture(scope="module", params=TASKS)
def learned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A task, in whose folder all stages up to predict have run."""
    folder, task = tmp_path_factory.mktemp(request.param), request.param
    columns = targets(pictures())[task]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT))  # where trials, processes of their own, find us
        write_table(Path("data/raw"), columns)
        checked = parse_params(tree(task, list(columns)), "test")
        stages = dict.fromkeys(("preprocess", "augment", "components"), "")
        stages |= {"search": "cnn", "train": "cnn_1", "predict": "cnn_1"}
        for stage, key in stages.items():
            run(stage, key, checked, Layout())
        yield task


@pytest.fixture
def predicted(learned: str) -> dict[str, Predictions]:
    return {s: Predictions.load(Layout().predictions("cnn_1", s)) for s in ("val", "test")}


def answers(task: str, held: Predictions) -> np.ndarray:
    made: np.ndarray = load("task", Component(name=task)).predictions(
        held.logits, *Card.load(Layout().card).target_scale
    )
    return made


def test_targets_keep_their_kind_and_units(learned: str, predicted: dict[str, Predictions]) -> None:
    expected = np.stack(list(targets(pictures())[learned].values()), axis=1)
    for held in predicted.values():
        rows = [int(id_.removesuffix(".png")) for id_ in held.ids]
        assert held.targets.dtype == (bool if learned == "multilabel" else np.float64)
        np.testing.assert_allclose(held.targets, expected[rows], rtol=1e-6)
        assert len(held.ids) > 40


def test_what_was_asked_for_is_learned(learned: str, predicted: dict[str, Predictions]) -> None:
    for held in predicted.values():
        found = answers(learned, held)
        if learned == "multilabel":
            assert ((found[..., 1] > found[..., 0]) == held.targets).mean() > 0.95
        else:
            residual = ((found - held.targets) ** 2).mean(axis=0) / held.targets.var(axis=0)
            assert (1 - residual > 0.95).all()


def test_the_best_epoch_by_the_tasks_figure_is_kept(
    learned: str, predicted: dict[str, Predictions]
) -> None:
    with Path(Layout().member("cnn_1"), "fold_0/history.csv").open() as file:
        epochs = [float(row[watched(learned)]) for row in csv.DictReader(file)]
    scale, held = Card.load(Layout().card).target_scale, predicted["val"]
    scores = load("task", Component(name=learned)).scores
    figures = scores(answers(learned, held), held.targets, *scale)
    found = figures[watched(learned).removeprefix("val/")].mean()
    assert found == pytest.approx(min(epochs), rel=1e-4)
    assert epochs[0] > 1.5 * min(epochs)


def watched(task: str) -> str:
    return monitor(make("task", task))


def test_the_card_holds_the_scale_of_train(learned: str) -> None:
    held = Packed.open(Layout().trainval)
    train = held.targets[held.folds < 0].astype(np.float64)
    expected = () if learned == "multilabel" else (train.mean(axis=0), train.std(axis=0))
    np.testing.assert_allclose(Card.load(Layout().card).target_scale, expected)


def test_commands_know_the_task(
    learned: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = list(targets(pictures())[learned])
    YAML(typ="safe").dump(tree(learned, columns), Path("params.yaml"))
    for command in (
        ["check"],
        ["summary", "cnn"],
        ["gradcheck", "cnn", "--size-px", "8", "--channels", "1"],
    ):
        monkeypatch.setattr(sys, "argv", ["pipeline", *command])
        with pytest.raises(SystemExit) as left:
            main()
        assert not left.value.code
    messages = capsys.readouterr().out
    num_features = 8 * SIDE_PX * SIDE_PX
    assert (
        f"{num_features * len(columns) + len(columns):,}" in messages
    )  # the last layer's parameters
    assert "no gradient differs" in messages


@pytest.mark.slow
def test_a_search_goes_by_the_tasks_figure(learned: str, tmp_path: Path) -> None:
    """The search chooses between a rate that learns nothing and one that does."""
    made = tree(learned, list(targets(pictures())[learned]))
    space = {"training.lr": {"choices": [1e-7, 0.01]}}
    made["recipes"]["cnn"]["training"]["lr"] = 1e-7
    made["recipes"]["cnn"]["search"] = {
        "budget": {"trials": 4}, "epochs": 3, "space": space, "seed": 1,
    }  # fmt: skip
    shutil.copy(ROOT / "dvc.yaml", ".")
    YAML(typ="safe").dump(made, Path("params.yaml"))
    spool = run("search", "cnn", parse_params(made, "test"), Layout(tmp_path))
    folder = Layout(tmp_path).search("cnn")
    with (folder / "trials.csv").open() as file:
        trials = list(csv.DictReader(file))
    column = watched(learned).replace("/", "_")
    best = min(trials, key=lambda trial: float(trial[column]))
    assert {trial["training.lr"] for trial in trials} == {"1e-07", "0.01"}
    assert best["training.lr"] == "0.01"
    assert read_json(folder / "chosen.json")["training"]["lr"] == 0.01
    (figure,) = spool.figures()
    assert (figure.name, figure.value) == (watched(learned), float(best[column]))


def test_it_goes_all_the_way_to_a_report(learned: str) -> None:
    """These stages give ensembles, their evaluation, pictures of errors, and the page."""
    checked = parse_params(tree(learned, list(targets(pictures())[learned])), "test")
    for stage in ("train", "predict"):
        run(stage, "cnn_2", checked, Layout())
    for stage in ("soup", "ensemble", "evaluate", "inspect", "report"):
        run(stage, "", checked, Layout())
    shown = read_json(Layout().inspection / "gallery.json")["sections"]
    if learned == "regression":
        first = shown["largest_errors"][0]["caption"]
        assert re.fullmatch(r"(light|tilt) -?\d\S*, predicted -?\d\S*", first)
    assert all((Layout().inspection / i["image"]).is_file() for s in shown.values() for i in s)
    found = read_json(Layout().comparison)["verdict"].removeprefix("the ")
    assert found.split(",")[0].split(" of ")[0] in Layout().report.read_text()
