"""`convoy predict`: files, folders and patterns, to CSV or Parquet."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from pipeline.core.errors import UserError
from pipeline.core.paths import Layout
from pipeline.images.packed import Packed
from pipeline.serving.files import listed, predict_files
from pipeline.serving.writer import check_output, headings, opened
from tests.conftest import Workspace
from tests.preprocessing.make_images import encode
from tests.serving.test_package import expected


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two images, one below it, a file that is none, and what nobody means."""
    folder = tmp_path / "photos"
    for name in ("b.png", "a.png", "more/c.png", ".hidden/d.png", ".e.png", "Thumbs.db"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode(np.zeros((8, 8, 1), np.uint8)))
    (folder / "notes.txt").write_text("no image")
    return folder


def test_folders_files_and_patterns_are_listed_once(photos: Path) -> None:
    every = [photos / name for name in ("a.png", "b.png", "more/c.png", "notes.txt")]
    assert listed([str(photos)]) == every
    assert listed([f"{photos}/*.png"]) == every[:2]
    assert listed([f"{photos}/**/*.png"]) == every[:3]
    assert listed([f"{photos}/b.png", str(photos)]) == [every[1], every[0], *every[2:]]
    assert listed([f"{photos}/.e.png"]) == [photos / ".e.png"]  # named itself


@pytest.mark.parametrize("given", ["nowhere.png", "nowhere/*.png", "", "http://a/b.png"])
def test_a_path_to_no_file_is_named(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty name is a variable that was not set, not the folder one stands in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.png").touch()
    with pytest.raises(UserError, match="no such file; name image files, folders or patterns"):
        listed([given])


def test_a_folder_without_files_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a folder without files; name image files, folders or pat"):
        listed([str(tmp_path)])


def test_links_that_lead_nowhere_are_not_left_out(photos: Path) -> None:
    (photos / "f.png").symlink_to("gone.png")
    for given in (f"{photos}", f"{photos}/*.png"):
        assert photos / "f.png" in listed([given])
    (photos / "far").symlink_to(photos / "more")
    with pytest.raises(UserError, match="far: a link to a folder, which could form a loop; name"):
        listed([str(photos)])


def test_an_earlier_output_among_the_files_is_none_of_them(photos: Path) -> None:
    before, output = listed([str(photos)]), photos / "found.csv"
    output.write_text("file,class,error")
    assert listed([str(photos)], output) == before
    assert output in listed([str(photos)])


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("there.csv", r"there.csv, which is a folder; name a file"),
        ("a.png/x.csv", r"a.png/x.csv, which cannot be written \(File exists\); name a file in"),
        ("a.png/b/x.parquet", r"x.parquet, which cannot be written \(Not a directory\); name a"),
    ],
)
def test_an_output_that_cannot_be_written_is_named(photos: Path, output: str, said: str) -> None:
    (photos / "there.csv").mkdir()

    def write() -> None:
        check_output(photos / output)
        with opened(photos / output, "values", ("age",)):
            pass

    with pytest.raises(UserError, match=rf"^--output: got .*{said}"):
        write()


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_what_fails_half_way_leaves_the_old_table_and_nothing_else(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("old")
    with pytest.raises(KeyError), opened(tmp_path / name, "values", ("age",)) as table:
        table.write({})
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "old"


def test_an_output_of_another_format_is_refused_before_any_work(photos: Path) -> None:
    with pytest.raises(UserError, match=r"--output: got a.xlsx; allowed a name that ends in .csv"):
        predict_files([str(photos)], Path("nowhere"), Path("a.xlsx"))


def test_labels_and_values_have_columns_of_their_own(tmp_path: Path) -> None:
    assert list(headings("values", ("age",))) == [
        "file", "values.age", "low.age", "high.age", "error"
    ]  # fmt: skip
    part = {"file": ["a", "b"], "labels": [["x, y"], None], "probs": [{"x, y": 0.5}, None]}
    with opened(tmp_path / "a.csv", "labels", ("x, y",)) as table:
        table.write({**part, "error": [None, "bad"]})
    with (tmp_path / "a.csv").open() as file:
        first, second = csv.DictReader(file)
    assert json.loads(first["labels"]) == ["x, y"]
    assert first["probs.x, y"] == "0.5"
    assert second == {"file": "b", "labels": "", "probs.x, y": "", "error": "bad"}


@pytest.mark.slow
def test_files_get_the_probabilities_of_the_stages(copy: Workspace) -> None:
    layout = Layout(copy.folder)
    probs = expected(layout)
    images = np.array(Packed.open(layout.test).images)[:300]  # more than one batch
    (copy.folder / "photos").mkdir()
    for place, image in enumerate(images):
        (copy.folder / f"photos/{place:03}.png").write_bytes(encode(image))
    (copy.folder / "photos/x.txt").write_text("no image")
    printed = copy.run("convoy", "predict", "photos", "--output", "made/a.parquet")
    assert printed == "1 of 301 files are no images: see the column error\n"
    table = pyarrow.parquet.read_table(copy.folder / "made/a.parquet").to_pydict()
    assert list(table) == list(headings("classes", [str(i) for i in range(10)]))
    assert table["file"] == [*(f"photos/{place:03}.png" for place in range(300)), "photos/x.txt"]
    found = np.array([table[f"probs.{i}"][:300] for i in range(10)]).T
    np.testing.assert_allclose(found, probs[:300], atol=1e-6)
    assert table["class"] == [*(str(i) for i in probs[:300].argmax(1)), None]
    assert table["error"][-1] == "not an image: starts with b'no image'"
    pairs = list(zip(table["class"], table["prediction_set"], strict=True))
    assert all(own in inside for own, inside in pairs[:300])
    assert not list((copy.folder / "made").glob("*.part"))
    rows = list(csv.DictReader(io.StringIO(copy.run("convoy", "predict", "photos/00*.png"))))
    assert [row["file"] for row in rows] == table["file"][:10]
    assert [float(row["probs.3"]) for row in rows] == pytest.approx(table["probs.3"][:10])
    assert copy.run("convoy", "predict", "photos/x.txt", status=1).endswith("column error\n")


IMPORTS = """
import sys
from pipeline.cli.app import app
app(["predict", "photos/a.png", "--output", "a.csv"], standalone_mode=False)
print(sorted({name.split(".")[0] for name in sys.modules}))
"""


@pytest.mark.slow
def test_a_prediction_imports_neither_dvc_nor_mlflow_nor_lightning(
    reproduced: Workspace, photos: Path
) -> None:
    command = [sys.executable, "-c", IMPORTS]
    (photos.parent / "artifacts").symlink_to(reproduced.folder / "artifacts")
    environment = reproduced.environment(PYTHONPATH=str(reproduced.folder))
    done = subprocess.run(
        command, cwd=photos.parent, env=environment, capture_output=True, text=True, check=True
    )
    assert "'torch'" in done.stdout
    for library in ("dvc", "mlflow", "pytorch_lightning", "optuna", "albumentations", "pandas"):
        assert f"'{library}'" not in done.stdout
