"""Folders of classes: every file is a sample with a unique id, or is listed as ignored."""

import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import UserError
from pipeline.images.bad_image import BadImage
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.sources.folder import Params, load


def write(root: Path, *names: str) -> None:
    """Create files whose content is their name."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))


def listed(root: Path) -> Listing:
    return load(Params(name="folder"), root, "classes")


def test_a_folder_is_a_class(tmp_path: Path) -> None:
    write(tmp_path, "dog/1.jpg", "cat/b.png", "cat/deep/er/a.txt", "cat/none")
    found = listed(tmp_path)
    assert found.ids == ["cat/b.png", "cat/deep/er/a.txt", "cat/none", "dog/1.jpg"]
    assert found.classes == ["cat", "dog"]
    assert found.targets.tolist() == [0, 0, 0, 1]
    assert [found.read(row) for row in range(4)] == [name.encode() for name in found.ids]
    assert found.given is None


@pytest.mark.parametrize("val", ["val", "valid", "Validation", "dev"])
def test_folders_of_splits_are_given_splits(tmp_path: Path, val: str) -> None:
    write(tmp_path, "train/a/1", "train/b/1", "test/a/1", f"{val}/b/x/1", "train/note.txt")
    found = listed(tmp_path)
    assert found.given is not None
    splits = dict(zip(found.ids, found.given.tolist(), strict=True))
    expected = {"train/a/1": "train", "train/b/1": "train", "test/a/1": "test"}
    assert splits == expected | {f"{val}/b/x/1": "val"}
    assert found.classes == ["a", "b"]
    assert found.ignored == ["train/note.txt"]


def test_other_spellings_of_splits_are_no_classes(tmp_path: Path) -> None:
    write(tmp_path, "Training/cat/1", "Training/dog/1", "Testing/cat/1", "Testing/dog/2")
    found = listed(tmp_path)
    assert found.classes == ["cat", "dog"]
    assert found.given is not None
    assert sorted(found.given.tolist()) == ["test", "test", "train", "train"]


def test_folders_that_hold_the_same_folders_are_asked_about(tmp_path: Path) -> None:
    write(tmp_path, *(f"{top}/{inner}/1" for top in ("seen", "unseen") for inner in ("cat", "dog")))
    message = "seen and unseen both hold the folders cat, dog, so either level may name the classes"
    with pytest.raises(UserError, match=message):
        listed(tmp_path)
    outer = load(Params(name="folder", class_level=1), tmp_path, "classes")
    inner = load(Params(name="folder", class_level=2), tmp_path, "classes")
    assert (outer.classes, inner.classes) == (["seen", "unseen"], ["cat", "dog"])
    assert outer.given is None
    assert inner.given is None


@pytest.mark.parametrize("level", [None, 2])
def test_splits_beside_another_folder_are_asked_about(tmp_path: Path, level: int | None) -> None:
    """Otherwise a network learns which split an image comes from, or a given split is lost."""
    write(tmp_path, "train/a/1", "train/b/1", "test/a/1", "test/b/1", "docs/read/me")
    with pytest.raises(UserError, match="test, train are named like splits, docs is not; move it"):
        load(Params(name="folder", class_level=level), tmp_path, "classes")


def test_a_split_beside_a_class_is_a_class_if_you_say_so(tmp_path: Path) -> None:
    write(tmp_path, "train/1", "bus/1", "test/1")
    found = load(Params(name="folder", class_level=1), tmp_path, "classes")
    assert found.classes == ["bus", "test", "train"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("Cat", "cat"),
            "the class folder 'cat', and 'Cat', another spelling of it; rename it, or",
        ),
        (("caf\u00e9", "cafe\u0301"), "another spelling of it"),
        (("1", "01"), "another spelling of it"),
        (("dog", "nan"), "the class folder 'nan', which usually stands for a missing value; ren"),
        (("NaT", "dog"), "the class folder 'NaT', which usually stands for a missing value"),
    ],
)
def test_a_class_folder_that_is_none_or_is_spelt_twice_is_refused(
    tmp_path: Path, names: tuple[str, str], message: str
) -> None:
    """In one split, or in two, as where training images come from another program."""
    write(tmp_path / "plain", *(f"{name}/1" for name in names))
    write(tmp_path / "split", f"train/{names[0]}/1", f"test/{names[1]}/1")
    for root in (tmp_path / "plain", tmp_path / "split"):
        with pytest.raises(UserError, match=message):
            listed(root)
        given = load(Params(name="folder", classes=names), root, "classes")
        assert given.classes == list(names)
        assert sorted(given.targets.tolist()) == [0, 1]
        with pytest.raises(UserError, match=r"which is not in data\.source\.classes; allowed"):
            load(Params(name="folder", classes=(names[0], "bird")), root, "classes")


def test_numbered_classes_count_as_numbers_do(tmp_path: Path) -> None:
    write(tmp_path, *(f"{label}/1" for label in range(12)))
    assert listed(tmp_path).classes == [str(label) for label in range(12)]


def test_what_is_no_sample_is_told(tmp_path: Path) -> None:
    litter = ["a/.DS_Store", "a/Thumbs.db", "b/desktop.ini", "__MACOSX/a/._1", "b/._1"]
    write(tmp_path, "a/1", "b/1", "README.txt", "a/.hidden", ".git/objects/1", *litter)
    found = listed(tmp_path)
    assert found.ids == ["a/1", "b/1"]
    assert found.ignored == [".git/", "README.txt", "a/.hidden"]


def test_odd_names_are_samples_under_ids_of_their_own(tmp_path: Path) -> None:
    names = ["a b.jpg", "a\nb.jpg", "κύων.jpg", "犬.jpg", "-rf", "x.JPG", "x.jpg", "q'\".jpg"]
    names += [os.fsdecode(b"\xff.jpg"), "\\xff.jpg", "\\\\xff.jpg"]
    write(tmp_path, *(f"cat/{name}" for name in names), "Cat/x.jpg")
    found = load(Params(name="folder", classes=("cat", "Cat")), tmp_path, "classes")
    assert found.classes == ["cat", "Cat"]
    assert len(set(found.ids)) == len(names) + 1
    assert {f"cat/{name}" for name in names[:8]} | {"Cat/x.jpg"} < set(found.ids)
    assert all(sample.encode() for sample in found.ids)  # valid UTF-8
    held = {found.read(row) for row in range(len(found.ids))}
    assert held == {os.fsencode(f"cat/{name}") for name in names} | {b"Cat/x.jpg"}


def test_adding_files_changes_no_id(tmp_path: Path) -> None:
    write(tmp_path, "a/1", "b/1", "b/\\")
    before = set(listed(tmp_path).ids)
    write(tmp_path, "a/0", "b/\\\\", "c/1")
    assert before < set(listed(tmp_path).ids)


def test_links_are_followed_within_the_folder_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "a/1", "b/1")
    write(tmp_path, "secret", "root2/secret")
    links = {
        "a/inside": "../b/1",
        "a/out": "../../secret",
        "a/beside": "../../root2/secret",
        "a/absolute": str(tmp_path / "secret"),
        "a/twice": "out",
        "a/nowhere": "gone",
        "a/loop": "loop",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    found = listed(root)
    row = {sample: row for row, sample in enumerate(found.ids)}
    assert found.read(row["a/inside"]) == b"b/1"
    for name in ("a/out", "a/beside", "a/absolute", "a/twice"):
        with pytest.raises(BadImage) as caught:
            found.read(row[name])
        assert caught.value.kind == "link out of the folder"
    for name in ("a/nowhere", "a/loop"):
        with pytest.raises(BadImage, match="unreadable: "):
            found.read(row[name])


def test_a_root_that_is_a_link_is_a_root(tmp_path: Path) -> None:
    write(tmp_path / "there", "a/1", "b/1")
    (tmp_path / "here").symlink_to("there")
    assert listed(tmp_path / "here").read(1) == b"b/1"


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    write(tmp_path, "a/1", "b/1")
    os.mkfifo(tmp_path / "a/pipe")
    with pytest.raises(BadImage, match="unreadable: not a file"):
        listed(tmp_path).read(1)


def test_a_file_that_goes_away_is_bad(tmp_path: Path) -> None:
    write(tmp_path, "a/1", "b/1")
    found = listed(tmp_path)
    (tmp_path / "a/1").unlink()
    with pytest.raises(BadImage, match="unreadable: No such file"):
        found.read(0)


def circle(root: Path) -> None:
    write(root, "a/1", "b/1")
    (root / "a/again").symlink_to("..")


def empty_class(root: Path) -> None:
    write(root, "a/1", "b/1")
    (root / "b/1").unlink()


def empty_class_in_a_split(root: Path) -> None:
    write(root, "train/a/1", "train/b/1", "test/a/1", "test/b/.DS_Store")


WRONG = [
    (lambda _: None, "nowhere, which is not a folder; name one that exists"),
    (lambda root: root.mkdir(), "0 files and no class folders; allowed class/image"),
    (lambda root: write(root, "1.jpg", "2.jpg"), "2 files and no class folders"),
    (lambda root: write(root, "train/a/1", "test/1", "test/2"), "test/: contains 2 files and no"),
    (lambda root: write(root, "a/1", "a/2"), "only class 'a'; classification needs"),
    (lambda root: write(root, "train/a/1", "test/a/1"), "only class 'a'"),
    (empty_class, "b/: a class folder without files"),
    (empty_class_in_a_split, "test/b/: a class folder without files"),
    (circle, "a/again: a link to a folder"),
    (lambda root: root.write_text("x"), "which is not a folder"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_a_wrong_folder_is_named(tmp_path: Path, make, message: str) -> None:
    make(tmp_path / "nowhere")
    with pytest.raises(UserError, match=message) as caught:
        listed(tmp_path / "nowhere")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_targets_follow_the_folder(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, 200)
    write(tmp_path, *(f"class {label}/{n}" for n, label in enumerate(labels)))
    found = listed(tmp_path)
    for sample, target in zip(found.ids, found.targets, strict=True):
        assert found.classes[target] == f"class {labels[int(sample.split('/')[1])]}"
