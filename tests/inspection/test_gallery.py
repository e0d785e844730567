"""Pictures of errors: there, small, the same every time, and asked of the right output."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.core.files import read_json
from pipeline.images.packed import Packed
from pipeline.inspection import gallery
from pipeline.inspection.gallery import Evidence, evidence_in
from tests.inspection.test_explain import Corner, Linear, network

MISTAKES = [
    {"id": "b", "true": "cat", "predicted": "dog", "probability": "0.91"},
    {"id": "a", "true": "dog", "predicted": "cat", "probability": "0.7"},
]


def packed(shape: tuple[int, int, int] = (8, 8, 1)) -> Packed:
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    return Packed(images, np.array([0, 1]), np.array(["a", "b"]), np.array([-1, -1]))


def evidence_of() -> gallery.Reader:
    return evidence_in("classes", ("cat", "dog"), 2, "predicted")


def test_every_item_has_its_picture_and_its_map(tmp_path: Path) -> None:
    chosen = gallery.mistakes(MISTAKES)
    items = gallery.write(tmp_path, "mistakes", chosen, packed(), network(Corner()), evidence_of())
    assert [item.id for item in items] == ["b", "a"]
    assert items[0].caption == "cat, predicted dog (91%)"
    for item in items:
        assert item.map is not None
        for name in (item.image, item.map):
            assert max(Image.open(tmp_path / name).size) == gallery.SIDE_PX
    shown = np.asarray(Image.open(tmp_path / items[0].image))
    np.testing.assert_array_equal(shown[7::14, 7::14, 0], packed().images[1, ..., 0])


def test_the_same_pictures_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        chosen = gallery.mistakes(MISTAKES)
        gallery.write(tmp_path / name, "m", chosen, packed(), network(Corner()), evidence_of())
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_a_network_that_has_no_map_leaves_the_picture(tmp_path: Path) -> None:
    items = gallery.write(
        tmp_path, "m", gallery.mistakes(MISTAKES), packed(), network(Linear()), evidence_of()
    )
    assert [item.map for item in items] == [None, None]
    assert len(list(tmp_path.iterdir())) == 2


def test_the_index_names_every_item(tmp_path: Path) -> None:
    items = gallery.write(
        tmp_path, "m", gallery.mistakes(MISTAKES), packed(), network(Corner()), evidence_of()
    )
    gallery.write_index(tmp_path, {"mistakes": items}, "cnn_1")
    tree = read_json(tmp_path / "gallery.json")
    assert tree["looked_with"] == "cnn_1"
    assert [item["image"] for item in tree["sections"]["mistakes"]] == ["m_00.png", "m_01.png"]
    assert gallery.write(tmp_path, "none", [], packed(), network(Corner()), evidence_of()) == []


def test_pairs_show_their_surest_mistakes() -> None:
    pairs = [
        {"true": "dog", "predicted": "cat", "count": "9", "num_true": "30"},
        {"true": "cat", "predicted": "dog", "count": "3", "num_true": "40"},
    ]
    found = gallery.confused(pairs, MISTAKES * 6)
    assert [row["id"] for row, _ in found] == ["a"] * 4 + ["b"] * 4
    assert found[0][1] == "dog, predicted cat: 9 of 30"


def test_no_more_than_a_section_holds() -> None:
    assert len(gallery.mistakes(MISTAKES * 100)) == gallery.MOST


@pytest.mark.parametrize(
    ("kind", "num_outputs", "row", "expected"),
    [
        ("classes", 3, {"predicted": "b"}, Evidence(1, 1)),
        ("classes", 1, {"predicted": "b"}, Evidence(0, 1)),  # one logit speaks for the second class
        ("classes", 1, {"predicted": "a"}, Evidence(0, -1)),
        ("labels", 3, {"predicted": "b"}, Evidence(1, 1)),
        ("labels", 3, {"predicted": "no b"}, Evidence(1, -1)),
        ("values", 3, {"value": "c", "error": "-0.3"}, Evidence(2, -1)),
        ("values", 3, {"value": "c", "error": "0.3"}, Evidence(2, 1)),
    ],
)
def test_what_spoke_for_an_answer(kind, num_outputs: int, row, expected: Evidence) -> None:
    assert evidence_in(kind, ("a", "b", "c"), num_outputs, "predicted")(row) == expected
