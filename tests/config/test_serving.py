"""What an export needs is known before any member is trained."""

from importlib import import_module
from typing import Any

import pytest

from pipeline.config import serving_checks
from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml
from tests.conftest import ROOT


def parsed(**sections: Any) -> Params:
    return parse_params(read_yaml(ROOT / "params.yaml") | sections, "params.yaml")


@pytest.fixture(autouse=True)
def _has_all_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_checks, "find_spec", lambda name: name)


def test_nothing_is_exported_unless_asked_for() -> None:
    assert not parsed().serving.onnx
    assert parsed(serving={"onnx": True}).serving.onnx


def test_a_file_of_before_there_was_the_section_is_told_what_to_add() -> None:
    tree = read_yaml(ROOT / "params.yaml")
    del tree["serving"]
    with pytest.raises(UserError) as refused:
        parse_params(tree, "params.yaml")
    assert str(refused.value) == (
        "params.yaml: serving: missing; write `serving: {}` for its defaults"
    )


@pytest.mark.parametrize("key", ["servng", "Serving", "distill"])
def test_a_misspelt_section_is_named_rather_than_missed(key: str) -> None:
    """Whoever has written it would add it again, and then be told of the first."""
    tree = read_yaml(ROOT / "params.yaml")
    meant = "distil" if key == "distill" else "serving"
    tree[key] = tree.pop(meant)
    with pytest.raises(UserError) as refused:
        parse_params(tree, "params.yaml")
    assert str(refused.value).startswith(f"params.yaml: {key}: unknown key; allowed augmentation,")
    assert str(refused.value).endswith(f"; nearest {meant}")


def test_a_missing_library_is_named_only_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        serving_checks, "find_spec", lambda name: None if name.startswith("onnxr") else name
    )
    assert not parsed().serving.onnx
    with pytest.raises(UserError) as refused:
        parsed(serving={"onnx": True})
    assert str(refused.value) == (
        "params.yaml: serving.onnx: got true, but onnxruntime cannot be imported here; run `pip "
        "install onnxruntime`, which the extra convoy[onnx] names, or set it to false"
    )


@pytest.mark.parametrize(
    ("family", "name"), [("methods", "majority"), ("calibrators", "temperature")]
)
def test_a_component_without_a_form_is_refused_if_it_may_be_chosen(
    family: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(import_module(f"pipeline.ensembling.{family}.{name}"), "forward")
    with pytest.raises(UserError, match=f"{name} has no function `forward`; allowed false; or"):
        parsed(serving={"onnx": True})
    other = {"methods": "mean", "calibrators": "none"}[family]
    assert parsed(serving={"onnx": True}, ensemble={family: [{"name": other}]})
    assert parsed()
