"""Tables of paths: a row's content reaches the listing, and a wrong row is named."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from pipeline.config.load import parse_params
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml
from pipeline.core.kind import Kind
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.sources.table import Params, load
from tests.conftest import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / f"images/{number}.png").write_bytes(b"%d" % number)
    return tmp_path


def listed(folder: Path, text: str | bytes, kind: Kind = "classes", **params: object) -> Listing:
    raw = text if isinstance(text, bytes) else text.encode()
    (folder / "t.csv").write_bytes(raw)
    made = Params.model_validate(
        {"name": "table", "file": "t.csv", "images": "images", "image": "path", **params}
    )
    return load(made, folder, kind)


FULL = """path,label,patient,part,age,"free, text"
0.png,cat,p1,train,7,"a ""b"" c"
./1.png,dog,p1,Validation,8,
2.png,cat,,valid,9,"two
lines"

3.png,bird,p2,test,10,x
"""


def test_every_column_reaches_the_listing(folder: Path) -> None:
    wanted = {"group": "patient", "split": "part", "metadata": ("age", "free, text")}
    found = listed(folder, FULL, **wanted)
    assert found.ids == [f"images/{n}.png" for n in range(4)]
    assert found.classes == ["bird", "cat", "dog"]
    assert found.targets.tolist() == [1, 2, 1, 0]
    assert found.groups == ["p1", "p1", "", "p2"]
    assert found.given is not None
    assert found.given.tolist() == ["train", "val", "val", "test"]
    text = ['a "b" c', "", "two\nlines", "x"]
    assert found.metadata == {"age": ["7", "8", "9", "10"], "free, text": text}
    assert [found.read(row) for row in range(4)] == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_the_ways_to_write_csv(folder: Path, separator: str, end: str, start: bytes) -> None:
    rows = [["path", "label"], ["0.png", "b"], ["1.png", "a"]]
    text = end.join(separator.join(row) for row in rows)
    found = listed(folder, start + text.encode(), separator=separator)
    assert found.targets.tolist() == [1, 0]


def test_parquet_says_what_csv_says(folder: Path) -> None:
    cells = {
        "path": ["0.png", "1.png", "2.png", "3.png"],
        "label": [1.0, 0.0, 10.0, 1.0],
        "seen": [True, False, True, None],
        "names": [["b", "a"], [], ["a"], ["b"]],
        "age": pa.array([1, 2, None, 4], pa.int8()),
    }
    parquet.write_table(pa.table(cells), folder / "t.parquet", row_group_size=3)
    found = listed(folder, "", file="t.parquet", metadata=("age", "seen"))
    assert found.classes == ["0", "1", "10"]
    assert found.targets.tolist() == [1, 0, 2, 1]
    assert found.metadata == {"age": ["1", "2", "", "4"], "seen": ["1", "0", "1", ""]}
    labels = listed(folder, "", "labels", file="t.parquet", target="names")
    assert labels.targets.tolist() == [[1, 1], [0, 0], [1, 0], [0, 1]]
    with pytest.raises(UserError, match=r"seen is empty in 1 of 4 rows: row 4"):
        listed(folder, "", file="t.parquet", target="seen")


def test_classes_are_in_the_order_they_are_named(folder: Path) -> None:
    found = listed(folder, "path,label\n0.png,2\n1.png,b\n", classes=("b", "c", "2"))
    assert found.classes == ["b", "c", "2"]
    assert found.targets.tolist() == [2, 0]


def test_labels_of_one_column_are_separated(folder: Path) -> None:
    found = listed(folder, "path,label\n0.png,sea| sun\n1.png,|\n2.png,sun\n", "labels")
    assert found.classes == ["sea", "sun"]
    assert found.targets.dtype == bool
    assert found.targets.tolist() == [[1, 1], [0, 0], [0, 1]]


def test_labels_of_several_columns_are_marks(folder: Path) -> None:
    text = "path,sea,sun\n0.png,1,0\n1.png,0.0,True\n2.png,false,0\n"
    found = listed(folder, text, "labels", target=("sun", "sea"))
    assert found.classes == ["sun", "sea"]
    assert found.targets.tolist() == [[0, 1], [1, 0], [0, 0]]


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=4,
                       max_size=4))  # fmt: skip
def test_values_are_the_numbers_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("values")
    rows = ""
    for number, value in enumerate(values):
        (folder / f"{number}").touch()
        rows += f"{number},{value!r},1\n"
    text = "path,age,weight\n" + rows
    found = listed(folder, text, "values", target=("age", "weight"), images=".")
    assert found.targets.dtype == np.float64
    np.testing.assert_array_equal(found.targets[:, 0], np.array(values, np.float64))
    assert found.classes == ["age", "weight"]


MANY = "path,label\n" + "".join(f"gone{n}.png,{n % 2}\n" for n in range(12))
BARE = "path,label\n" + "".join(f"x/../{n}.png,\n" for n in range(12))
CLASSES: dict = {}
NAMED = {"classes": ("cat", "dog")}
WRONG = [
    ("", CLASSES, r"t\.csv: empty; allowed a header and one row per image"),
    ("path,label\n", CLASSES, "a header without rows"),
    ("path,labels\n0.png,a\n", CLASSES, "no column 'label'; allowed labels, path; nearest labels"),
    ("path;label\n0.png;a\n", CLASSES, "no column 'path'.* if ';' separates the cells"),
    ("path,label,label\n0.png,a,b\n", CLASSES, "2 columns are named 'label'; rename all but one"),
    ("path,label\n0.png,a\n1.png\n", CLASSES, "line 3: 1 cells, but the header has 2"),
    ('path,label\n"0\n.png",a\n1.png\n', CLASSES, "line 4: 1 cells"),
    ("path,label\n0.png,a,b\n", CLASSES, "line 2: 3 cells, but the header has 2"),
    ('path,label\n0.png,"a\n', CLASSES, "line 2: unexpected end of data; correct its quotes"),
    (b"path,label\n0.png,caf\xe9\n", CLASSES, "not UTF-8 text .* save it as UTF-8"),
    ("path,label\n0.png,a\n1.png,\n", CLASSES, "label is empty in 1 of 2 rows: line 3; fill"),
    ("path,label\n,a\n1.png,b\n", CLASSES, "path is empty in 1 of 2 rows: line 2"),
    (BARE, CLASSES, "label is empty in 12 of 12 rows: line 2, .*, line 11, …; fill"),
    (MANY, CLASSES, "12 of 12 images not found .*: images/gone0.png, .*images/gone9.png, …;"),
    ("path,label\n../../x,a\n1.png,b\n", CLASSES, r"line 2: '../../x' lies outside data.path"),
    ("path,label\n/etc/passwd,a\n1.png,b\n", CLASSES, "line 2: '/etc/passwd' lies outside"),
    ("path,label\n0.png,a\n./0.png,b\n", CLASSES, "line 3: 'images/0.png' already appears in"),
    ("path,label\n0.png,a\n1.png,a\n", CLASSES, "only class 'a'; classification needs"),
    ("path,label\n0.png,1\n1.png,two\n", CLASSES, "numbers and text, '1' in line 2, 'two' in lin"),
    ("path,label\n0.png,dog\n1.png,caat\n", NAMED, "line 3, label: got 'caat', .* nearest cat"),
    ("path,label\n0.png,a\n1.png,b\n", {"target": ("path", "label")}, "got a list of 2, but the"),
    ("path,label\n0.png,a\n1.png,b\n", {"file": "u.csv"}, r"u.csv not found; its folder contains"),
    ("path,label,s\n0.png,a,tran\n1.png,b,test\n", {"split": "s"}, "line 2, s: got 'tran';"),
    ("path,label,s\n0.png,a,\n1.png,b,test\n", {"split": "s"}, "s is empty in 1 of 2 rows"),
    ("path,label\n0.png,a\n1.png,b\n", {"group": "lable"}, "no column 'lable'.* nearest label"),
    ("path,label\n0.png,a\n", {"kind": "labels", "target": ("label",)}, "label is neither 0 nor 1"),
    ("path,label\n0.png,\n", {"kind": "labels"}, "label is empty in 1 of 1 rows"),
    ("path,label\n0.png,|\n1.png,| |\n", {"kind": "labels"}, "label names no label in 2 of 2 rows"),
    (
        "path,label\n0.png,1\n1.png,nan\n",
        {"kind": "values"},
        "not a finite number in 1 of 2 rows: l",
    ),
    ("path,label\n0.png,1e39\n", {"kind": "values"}, "label is not a finite number"),
    ("path,label\n0.png,1\n", {"kind": "values", **NAMED}, "data.source.classes: .* leave it out"),
]


@pytest.mark.parametrize(("text", "params", "message"), WRONG)
def test_a_wrong_table_is_named(folder: Path, text: str, params: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        listed(folder, text, **params)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {"target": ["label", "label"]},
            r"target: got \['label', 'label'\]; allowed each name once",
        ),
        ({"target": []}, "target: got .*; allowed at least one name"),
        ({"target": ""}, "target: got ''; allowed at least one name"),
        ({"classes": ["cat", ""]}, "classes: got .*; allowed each name once, and none that is em"),
        ({"classes": ["cat", "dog", "cat"]}, "classes: got .*; allowed each name once"),
        ({"metadata": ["age", "age"]}, "metadata: got .*; allowed each name once"),
    ],
)
def test_a_name_given_twice_or_empty_is_refused_before_any_work(source: dict, message: str) -> None:
    tree = read_yaml(ROOT / "params.yaml")
    for name in ("table", "arrow"):
        own = {"file": "t.csv"} if name == "table" else {}
        data = {**tree["data"], "source": {"name": name, **own, **source}}
        with pytest.raises(UserError, match=rf"data\.source\.{message}"):
            parse_params({**tree, "data": data}, "params.yaml")


def test_what_is_no_parquet_is_named(folder: Path) -> None:
    (folder / "t.parquet").write_bytes(b"PAR1 but not for long")
    with pytest.raises(UserError, match=r"t\.parquet: not a readable Parquet file"):
        listed(folder, "", file="t.parquet")


def test_adding_rows_changes_no_id(folder: Path) -> None:
    before = set(listed(folder, "path,label\n3.png,a\n1.png,b\n").ids)
    after = set(listed(folder, "path,label\n0.png,a\n1.png,b\n2.png,c\n3.png,a\n").ids)
    assert before < after


@pytest.mark.parametrize("file", ["../t.csv", "/etc/passwd", "a/../../t.csv"])
def test_a_table_outside_the_folder_is_refused(folder: Path, file: str) -> None:
    with pytest.raises(UserError, match=r"file: got .*, which lies outside data\.path; put"):
        listed(folder, FULL, file=file)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ("cat", "nan", "dog", "cat"),
            r"line 3, label: got 'nan', which usually stands for a miss",
        ),
        (("0", "0.0", "1", "1"), r"line 3, label: got '0\.0', and '0' in line 2; correct it, or"),
        (("cat", "dog", "Cat", "dog"), "line 4, label: got 'Cat', and 'cat' in line 2; correct it"),
        (("caf\u00e9", "dog", "cafe\u0301", "dog"), "line 4, label: got 'cafe\u0301', and 'caf"),
        *(
            (("cat", name, "dog", "cat"), f"line 3, label: got '{re.escape(name)}', which usually")
            for name in ("NaT", "-nan", "#NA", "N/A", "<NA>", "None", "#N/A", "NULL", "#DIV/0!")
        ),
    ],
)
def test_a_label_that_is_none_or_is_spelt_twice_is_refused(
    folder: Path, cells: tuple[str, ...], message: str
) -> None:
    text = "path,label\n" + "".join(f"{row}.png,{cell}\n" for row, cell in enumerate(cells))
    with pytest.raises(UserError, match=message):
        listed(folder, text)
    names = tuple(dict.fromkeys(cells))
    assert listed(folder, text, classes=names).classes == list(names)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (("p1", "NaN", "p2", ""), "line 3, patient: got 'NaN', which usually stands for a missing"),
        (
            ("1", "2", "", "1.0"),
            r"line 5, patient: got '1\.0', and '1' in line 2; correct it; leave",
        ),
    ],
)
def test_a_group_that_is_none_or_is_spelt_twice_is_refused(
    folder: Path, groups: tuple[str, ...], message: str
) -> None:
    rows = zip(range(4), ("cat", "dog", "cat", "dog"), groups, strict=True)
    text = "path,label,patient\n" + "".join(f"{row}.png,{c},{group}\n" for row, c, group in rows)
    with pytest.raises(UserError, match=message):
        listed(folder, text, group="patient")


def test_groups_of_many_digits_are_told_apart(folder: Path) -> None:
    """As floats, the first two would be one number."""
    groups = ("12345678901234567890", "12345678901234567891", "1e400", "")
    rows = zip(range(4), ("cat", "dog", "cat", "dog"), groups, strict=True)
    text = "path,label,patient\n" + "".join(f"{row}.png,{c},{group}\n" for row, c, group in rows)
    assert listed(folder, text, group="patient").groups == list(groups)
