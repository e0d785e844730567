"""Pictures of errors: there, small, the same every time, and asked of the right output."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.artifacts import read_json
from pipeline.inspection import gallery
from pipeline.inspection.gallery import Said, said_by
from pipeline.packed import Packed
from tests.inspection.test_explain import Corner, Linear, network

MISTAKES = [
    {"id": "b", "true": "cat", "answered": "dog", "probability": "0.91"},
    {"id": "a", "true": "dog", "answered": "cat", "probability": "0.7"},
]


def packed(shape: tuple[int, int, int] = (8, 8, 1)) -> Packed:
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    return Packed(images, np.array([0, 1]), np.array(["a", "b"]), np.array([-1, -1]))


def said() -> gallery.Reader:
    return said_by("classes", ("cat", "dog"), 2, "answered")


def test_every_item_has_its_picture_and_its_map(tmp_path: Path) -> None:
    chosen = gallery.mistakes(MISTAKES)
    items = gallery.write(tmp_path, "mistakes", chosen, packed(), network(Corner()), said())
    assert [item.id for item in items] == ["b", "a"]
    assert items[0].caption == "cat, answered dog (91%)"
    for item in items:
        assert item.map is not None
        for name in (item.image, item.map):
            assert max(Image.open(tmp_path / name).size) == gallery.SIDE_PX
    shown = np.asarray(Image.open(tmp_path / items[0].image))
    np.testing.assert_array_equal(shown[7::14, 7::14, 0], packed().images[1, ..., 0])


def test_the_same_pictures_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        chosen = gallery.mistakes(MISTAKES)
        gallery.write(tmp_path / name, "m", chosen, packed(), network(Corner()), said())
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_a_network_that_has_no_map_leaves_the_picture(tmp_path: Path) -> None:
    items = gallery.write(
        tmp_path, "m", gallery.mistakes(MISTAKES), packed(), network(Linear()), said()
    )
    assert [item.map for item in items] == [None, None]
    assert len(list(tmp_path.iterdir())) == 2


def test_the_index_names_every_item(tmp_path: Path) -> None:
    items = gallery.write(
        tmp_path, "m", gallery.mistakes(MISTAKES), packed(), network(Corner()), said()
    )
    gallery.write_index(tmp_path, {"mistakes": items}, "cnn_1")
    tree = read_json(tmp_path / "gallery.json")
    assert tree["looked_with"] == "cnn_1"
    assert [item["image"] for item in tree["sections"]["mistakes"]] == ["m_00.png", "m_01.png"]
    assert gallery.write(tmp_path, "none", [], packed(), network(Corner()), said()) == []


def test_pairs_show_their_surest_mistakes() -> None:
    pairs = [
        {"true": "dog", "answered": "cat", "count": "9", "num_true": "30"},
        {"true": "cat", "answered": "dog", "count": "3", "num_true": "40"},
    ]
    found = gallery.confused(pairs, MISTAKES * 6)
    assert [row["id"] for row, _ in found] == ["a"] * 4 + ["b"] * 4
    assert found[0][1] == "dog, answered cat: 9 of 30"


def test_no_more_than_a_section_holds() -> None:
    assert len(gallery.mistakes(MISTAKES * 100)) == gallery.MOST


@pytest.mark.parametrize(
    ("kind", "num_outputs", "row", "expected"),
    [
        ("classes", 3, {"answered": "b"}, Said(1, 1)),
        ("classes", 1, {"answered": "b"}, Said(0, 1)),  # one logit speaks for the second class
        ("classes", 1, {"answered": "a"}, Said(0, -1)),
        ("labels", 3, {"answered": "b"}, Said(1, 1)),
        ("labels", 3, {"answered": "no b"}, Said(1, -1)),
        ("values", 3, {"value": "c", "error": "-0.3"}, Said(2, -1)),
        ("values", 3, {"value": "c", "error": "0.3"}, Said(2, 1)),
    ],
)
def test_what_spoke_for_an_answer(kind, num_outputs: int, row, expected: Said) -> None:
    assert said_by(kind, ("a", "b", "c"), num_outputs, "answered")(row) == expected
