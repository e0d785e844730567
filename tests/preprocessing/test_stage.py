"""The preprocess stage as users meet it: bad files, leaks, folds, and interruption."""

import csv
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.config.load import parse_params
from pipeline.core.artifacts import Card, Predictions
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, read_yaml
from pipeline.core.paths import Layout
from pipeline.core.run_log import Spool
from pipeline.core.stage import Stage
from pipeline.images.decode import decode
from pipeline.images.packed import Images, Packed
from pipeline.models.network import Network
from pipeline.prediction.predictor import predict_logits
from stages.preprocess import main
from tests.conftest import ROOT, Workspace
from tests.preprocessing.make_images import cut_exif, encode, picture

CLASSES = ("cat", "dog")


def write_class(folder: Path, num: int, seed: int) -> None:
    folder.mkdir(parents=True)
    for i in range(num):
        image = np.random.default_rng((seed, i)).integers(0, 256, (16, 16, 3), np.uint8)
        (folder / f"{i:02d}.png").write_bytes(encode(image))


def write_pets(root: Path) -> Path:
    """Write two classes of 20 pictures each in folders."""
    for seed, name in enumerate(CLASSES):
        write_class(root / name, 20, seed)
    return root


def given(root: Path | str, **data: Any) -> dict[str, Any]:
    return {"source": {"name": "folder"}, "path": str(root), "test_fraction": 0.2} | data


class Preprocessed:
    """Runs the stage's own function in this process: its outputs and what it printed."""

    def __init__(self, root: Path, folder: Path, **data: Any) -> None:
        tree = read_yaml(ROOT / "params.yaml") | {"data": given(root, **data)}
        work, self.layout = folder / "work", Layout(folder / "out")
        work.mkdir(parents=True)
        spool = Spool(folder / "run")
        spool.open("preprocess", {})
        checked = parse_params(tree, "test")
        main(Stage("", checked, Layout(), self.layout, folder, work, spool))

    @property
    def ids(self) -> set[str]:
        stores = (self.layout.trainval, self.layout.test)
        return {str(i) for store in stores for i in Packed.open(store).ids}

    @property
    def findings(self) -> list[dict[str, str]]:
        with (self.layout.audit / "findings.csv").open() as file:
            return list(csv.DictReader(file))


def damage(root: Path) -> dict[str, str]:
    """Break three files, and return the kind of damage of each."""
    (root / "cat/03.png").write_bytes(b"")
    (root / "cat/a page.jpg").write_bytes(b"<html>404</html>")
    cut = root / "dog/07.png"
    cut.write_bytes(cut.read_bytes()[:-40])
    return {"cat/03.png": "empty", "cat/a page.jpg": "not an image", "dog/07.png": "truncated"}


def test_a_bad_file_fails_the_stage_and_all_are_named(workspace: Workspace) -> None:
    bad = damage(write_pets(workspace.folder / "data/raw/pets"))
    workspace.edit(lambda tree: tree.update(data=given("data/raw/pets")))
    output = workspace.stage("preprocess", status=1)
    assert output.startswith("preprocess: 3 of 41 samples are not usable images: ")
    assert output.count("\n") == 1
    for name, kind in bad.items():
        assert f"{name} ({kind}" in output
    assert not (workspace.folder / "data/processed").exists()


def test_more_bad_files_than_a_line_can_hold_are_listed_in_a_file(tmp_path: Path) -> None:
    for path in sorted((write_pets(tmp_path / "pets") / "cat").glob("*.png"))[:15]:
        path.write_bytes(b"")
    with pytest.raises(
        UserError, match=r"and 5 more, all listed in (.*bad_images\.csv);"
    ) as caught:
        Preprocessed(tmp_path / "pets", tmp_path / "a")
    listed = str(caught.value).split("all listed in ")[1].split(";")[0]
    with Path(listed).open() as file:
        assert len(list(csv.DictReader(file))) == 15


def test_quarantined_files_are_listed_counted_and_left_out(tmp_path: Path) -> None:
    bad = damage(write_pets(tmp_path / "pets"))
    made = Preprocessed(tmp_path / "pets", tmp_path / "a", on_bad_image="quarantine")
    assert {row["id"]: row["kind"] for row in made.findings if row["id"] in bad} == bad
    metrics = read_json(made.layout.audit / "counts.json")
    assert (metrics["num_images"], metrics["num_quarantined"]) == (38, 3)
    assert len(made.ids) == 38
    assert not made.ids & set(bad)
    page = (made.layout.audit / "index.html").read_text()
    assert all(name in page for name in bad)


def split_by_hand(root: Path) -> None:
    """Make pets/{train,test}/cat from pets/cat, with one image in both and one under two labels."""
    for name in CLASSES:
        for split, keep in (("train", range(15)), ("test", range(15, 20))):
            (root / split / name).mkdir(parents=True)
            for i in keep:
                shutil.move(root / name / f"{i:02d}.png", root / split / name / f"{i:02d}.png")
        (root / name).rmdir()
    shutil.copy(root / "train/cat/00.png", root / "test/cat/copy.png")
    shutil.copy(root / "train/cat/01.png", root / "train/dog/copy.png")


@pytest.mark.parametrize("leakage", ["fail", "warn", "regroup"])
def test_a_leak_between_the_sources_own_splits(
    tmp_path: Path, leakage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    split_by_hand(write_pets(tmp_path / "pets"))
    options = {"test_fraction": None, "leakage": leakage}
    pair = "test/cat/copy.png (test) and train/cat/00.png (train)"
    if leakage == "fail":
        with pytest.raises(UserError, match=r"set data\.leakage to regroup") as caught:
            Preprocessed(tmp_path / "pets", tmp_path / "a", **options)
        assert pair in str(caught.value)
        return
    made = Preprocessed(tmp_path / "pets", tmp_path / "a", **options)
    assert pair in capsys.readouterr().out
    in_test = set(Packed.open(made.layout.test).ids.tolist())
    assert ("train/cat/00.png" in in_test) == (leakage == "regroup")
    kinds = [row["kind"] for row in made.findings]
    assert (kinds.count("equal"), kinds.count("two labels"), kinds.count("leak")) == (2, 1, 1)


def test_odd_images_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_pets(tmp_path / "pets")
    (root / "cat/grey.png").write_bytes(encode(np.full((16, 16, 3), 90, np.uint8)))
    (root / "cat/tiny.png").write_bytes(encode(picture(5, 5)))
    (root / "dog/long.png").write_bytes(encode(picture(16, 90)))
    (root / "dog/.hidden").write_bytes(b"x")
    (root / "dog/hurt.jpg").write_bytes(cut_exif(6))
    made = Preprocessed(root, tmp_path / "a", image={"size_px": 16})
    assert {(row["kind"], row["id"]) for row in made.findings} == {
        ("near constant", "cat/grey.png"),
        ("odd size", "cat/tiny.png"),
        ("odd size", "dog/long.png"),
        ("ignored file", "dog/.hidden"),
        ("damaged metadata", "dog/hurt.jpg"),
    }
    assert "1 damaged metadata" in capsys.readouterr().out
    assert "dog/hurt.jpg" in (made.layout.audit / "index.html").read_text()


def test_duplicates_stay_together_in_splits_that_convoy_makes(tmp_path: Path) -> None:
    root = write_pets(tmp_path / "pets")
    for i in range(12):  # brighter, and stored with loss: near duplicates
        grey = decode((root / f"cat/{i:02d}.png").read_bytes())[..., :1].repeat(3, 2)
        image = grey.repeat(3, 0).repeat(3, 1)
        (root / f"cat/{i:02d}.png").write_bytes(encode(image))
        brighter = np.clip(image.astype(int) + 6, 0, 255).astype(np.uint8)
        (root / f"cat/again {i:02d}.jpg").write_bytes(encode(brighter, "JPEG", quality=90))
    made = Preprocessed(root, tmp_path / "a", image={"size_px": 16})
    assert sum(row["kind"] == "near duplicate" for row in made.findings) == 12
    place = {
        str(id_): (store.name, int(fold))
        for store in (made.layout.trainval, made.layout.test)
        for id_, fold in zip(Packed.open(store).ids, Packed.open(store).folds, strict=True)
    }
    assert all(place[f"cat/{i:02d}.png"] == place[f"cat/again {i:02d}.jpg"] for i in range(12))


def test_groups_and_metadata_travel_with_the_samples(tmp_path: Path) -> None:
    root = write_pets(tmp_path / "pets")
    rows = [
        f"{name}/{i:02d}.png,{name},visit {i // 2},{'day' if i % 3 else 'night'}"
        for name in CLASSES
        for i in range(20)
    ]
    (root / "table.csv").write_text("\n".join(["image,label,group,light", *rows]) + "\n")
    source = {"name": "table", "file": "table.csv", "group": "group", "metadata": ["light"]}
    made = Preprocessed(root, tmp_path / "a", source=source)
    groups: dict[str, set[tuple[str, str]]] = {}
    for store in (made.layout.trainval, made.layout.test):
        with (store / "samples.csv").open() as file:
            for row in csv.DictReader(file):
                groups.setdefault(row["group"], set()).add((store.name, row["fold"]))
                assert row["light"] == ("day" if int(row["id"][4:6]) % 3 else "night")
    assert len(groups) == 10
    assert all(len(places) == 1 for places in groups.values())


def write_many(folder: Path, num: int) -> None:
    folder.mkdir(parents=True)
    images = [picture(40, 40, seed=seed) for seed in range(50)]
    rng = np.random.default_rng(0)
    files = [
        encode(np.clip(images[i % 50] + rng.integers(0, 90, (40, 40, 1)), 0, 255).astype(np.uint8))
        for i in range(num)
    ]
    table = pa.table(
        {"image": [{"bytes": f, "path": ""} for f in files], "label": [i % 3 for i in range(num)]}
    )
    pq.write_table(table, folder / "data.parquet", row_group_size=500)


@pytest.mark.slow
def test_a_killed_stage_goes_on_where_it_was_and_ends_the_same(workspace: Workspace) -> None:
    write_many(workspace.folder / "data/raw/many", 6500)
    data = given("data/raw/many", source={"name": "arrow"})
    workspace.edit(lambda tree: tree.update(data=data))
    running = workspace.start("python", "-m", "stages.preprocess")
    chunks = workspace.folder / ".convoy/work/preprocess"
    while not list(chunks.glob("*/chunk_*[0-9].npz")):
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.002)
    workers = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    running.wait()
    assert not psutil.wait_procs(workers, timeout=30)[1]  # none is left
    assert 0 < len(list(chunks.glob("*/chunk_*[0-9].npz"))) < 4
    workspace.stage("preprocess")
    outcome = outputs(workspace)
    assert not list(chunks.glob("*"))
    workspace.stage("preprocess")  # from nothing
    assert outputs(workspace) == outcome


def outputs(workspace: Workspace) -> dict[str, bytes]:
    folder = workspace.folder
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("data/processed", "reports/data", "artifacts/runs")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_folds_validate_every_sample_on_a_network_that_did_not_see_it(
    workspace: Workspace,
) -> None:
    def folds(tree: dict[str, Any]) -> None:
        tree["data"].update(num_folds=3, val_fraction=None)
        tree["hardware"]["memory_format"] = "auto"
        tree["recipes"]["cnn"]["training"].update(epochs=1)
        del tree["recipes"]["cnn"]["search"]

    workspace.edit(folds)
    for name, *key in (
        ["preprocess"], ["augment"], ["components"], ["search", "cnn"], ["train", "cnn_1"],
        ["predict", "cnn_1"],
    ):  # fmt: skip
        printed = workspace.stage(name, *key)
        if name == "train":
            assert "fold 2  epoch 1/1" in printed
            assert printed.count("precision as params.yaml says") == 1  # what all folds share, once
    layout = Layout(workspace.folder)
    assert Card.load(layout.card).num_folds == 3
    trainval = Packed.open(layout.trainval)
    val = Predictions.load(layout.predictions("cnn_1", "val"))
    np.testing.assert_array_equal(val.ids, trainval.ids)
    networks = [Network.load(layout.member("cnn_1") / f"fold_{fold}") for fold in range(3)]
    logits = [_logits(network, trainval.images) for network in networks]
    for fold in range(3):
        rows = np.flatnonzero(trainval.folds == fold)
        assert len(rows) > 0.2 * len(trainval.ids)
        np.testing.assert_allclose(val.logits[rows], logits[fold][rows], atol=1e-4)
    test = Packed.open(layout.test)
    mean = np.mean([_logits(network, test.images) for network in networks], axis=0)
    predicted = Predictions.load(layout.predictions("cnn_1", "test")).logits
    np.testing.assert_allclose(predicted, mean, atol=1e-4)


def _logits(network: Network, images: Images) -> np.ndarray:
    return predict_logits(network, images, torch.device("cpu"))
