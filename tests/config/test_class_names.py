"""Costs, the positive class and shares that speak of classes which the data does not have."""

from collections.abc import Sequence

import pytest

from pipeline.config.class_names import check_class_names
from pipeline.config.load import load_params
from pipeline.config.params import Params
from pipeline.core.component import make
from pipeline.core.errors import UserError
from tests.conftest import ROOT, Workspace


def given(task: str = "multiclass", **ensemble: object) -> Params:
    params = load_params(ROOT / "params.yaml")
    settings = params.ensemble.model_copy(update=ensemble)
    return params.model_copy(update={"task": make("task", task), "ensemble": settings})


@pytest.mark.parametrize(
    ("ensemble", "classes", "message"),
    [
        ({"costs": ((0.0, 1.0),)}, "abc",
         "costs: got 1 rows of 2 costs; allowed 3 rows of 3, in the order a, b, c"),
        ({"costs": ((0.0, 1.0, 1.0), (1.0,), (1.0, 1.0, 0.0))}, "abc",
         "costs: got 3 rows of 1 or 3 costs"),
        ({"threshold": "f1"}, ("bad", "good"),
         "positive_class: got null with ensemble.threshold f1, which differs between"),
        ({"threshold": "f1", "positive_class": "god"}, ("bad", "good"),
         "positive_class: got 'god'; allowed bad, good; nearest good"),
        ({"positive_class": "a"}, "abc",
         "positive_class: got 'a'; allowed null except with two classes"),
        ({"class_shares": {"a": 1.0}}, "abc",
         "class_shares: got shares of a; allowed one for each of a, b, c"),
    ],
)  # fmt: skip
def test_other_classes_are_refused(
    ensemble: dict[str, object], classes: Sequence[str], message: str
) -> None:
    with pytest.raises(UserError) as refused:
        check_class_names(given(**ensemble), tuple(classes))
    assert f"{refused.value}".startswith(f"ensemble.{message}")


@pytest.mark.parametrize(
    ("ensemble", "classes"),
    [
        ({}, "abc"),
        ({"costs": ((0.0, 1.0), (1.0, 0.0)), "threshold": "f1"}, "ab"),
        ({"threshold": "f1", "positive_class": "b"}, "ab"),
        ({"threshold": "balanced_accuracy"}, "ab"),
        ({"class_shares": {"b": 0.5, "a": 0.5}}, "ab"),
        ({"task": "multilabel", "threshold": "f1"}, "ab"),  # each label is a yes or a no
    ],
)
def test_those_of_the_data_are_taken(ensemble: dict[str, object], classes: str) -> None:
    check_class_names(given(**ensemble), tuple(classes))  # type: ignore[arg-type]


def test_they_are_refused_before_anything_trains(workspace: Workspace) -> None:
    """By `convoy check`, which only lists the data, and by whoever begins with `dvc repro`."""
    workspace.edit(lambda tree: tree["ensemble"].update(class_shares={"one": 0.5, "zero": 0.5}))
    said = "ensemble.class_shares: got shares of one, zero; allowed one for each of 0, 1, 2, 3"
    assert said in workspace.run("convoy", "check", status=1)
    for stage in (["preprocess"], ["augment"], ["components"]):
        workspace.stage(*stage)
    assert f"search: {said}" in workspace.stage("search", "cnn", status=1)
    assert f"train: {said}" in workspace.stage("train", "cnn_1", status=1)
