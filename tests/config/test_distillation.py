"""Whatever keeps a student from learning is refused before any member is trained."""

from typing import Any

import pytest

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml
from tests.conftest import ROOT

FOLDED = {"num_folds": 3, "val_fraction": None}


def parsed(change: dict[str, Any] | None = None, **student: Any) -> Params:
    """The default parameters with folds and a student."""
    tree = read_yaml(ROOT / "params.yaml")
    tree["data"] |= FOLDED
    tree["distil"] = {"small": {"recipe": "cnn", **student}}
    for dotted, value in (change or {}).items():
        *parents, last = dotted.split(".")
        node = tree
        for key in parents:
            node = node[key]
        node[last] = value
    return parse_params(tree, "params.yaml")


def test_the_defaults_are_those_of_the_docs() -> None:
    own = parsed().distil["small"]
    assert (own.seed, own.temperature, own.weight) == (0, 1.0, 0.9)
    assert parsed({"serving.model": "small"}).serving.model == "small"
    assert parsed().serving.model == "ensemble"
    assert parsed({"prediction.members": {"small": {"mirror": True}}}).networks[-1] == "small"


def test_a_student_is_no_member() -> None:
    assert "small" not in parsed().pool


VALUES = {
    "task": {"name": "regression"},
    "recipes.cnn.loss": {"name": "mse"},
    "recipes.resnet.loss": {"name": "huber"},
}
LABELS = {
    "task": {"name": "multilabel"},
    "recipes.cnn.loss": {"name": "binary_cross_entropy"},
    "recipes.resnet.loss": {"name": "binary_cross_entropy"},
}


def test_all_kinds_of_targets_can_be_taught() -> None:
    for change in (VALUES, LABELS, LABELS | {"task": {"name": "binary"}}):
        assert parsed(change).distil


def test_label_weights_may_differ_from_those_of_the_teacher() -> None:
    """A label's weight is the same whether it is present or not, so it moves no prediction."""
    assert parsed(LABELS | {"recipes.cnn.training.class_weights": "inverse"}).distil


@pytest.mark.parametrize(
    ("student", "change", "expected"),
    [
        ({"recipe": "cnnn"}, {}, "distil.small.recipe: got 'cnnn'; allowed cnn, resnet; nearest"),
        ({"recipe": "cnn/best_1"}, {}, "distil.small.recipe: got 'cnn/best_1'; allowed cnn, res"),
        ({"temperature": 0}, {}, "distil.small.temperature: got 0; allowed greater than 0"),
        ({"temperature": 1e9}, {}, "temperature: got 1000000000.0; allowed less than or equal to"),
        ({"weight": 1.5}, {}, "distil.small.weight: got 1.5; allowed less than or equal to 1"),
        ({"wieght": 1}, {}, "distil.small.wieght: unknown key; allowed"),
        (
            {},
            {"data.num_folds": None, "data.val_fraction": 0.2},
            "distil.small: got data.num_folds null; allowed 2 or more, since only with folds does",
        ),
        (
            {},
            {"ensemble.class_shares": "uniform"},
            "distil.small: got ensemble.class_shares 'uniform', for which the ensemble predicts",
        ),
        ({}, {"distil.cnn_1": {"recipe": "cnn"}}, "distil.cnn_1: a student may not have the name"),
        ({}, {"distil.ensemble": {"recipe": "cnn"}}, "distil.ensemble: this is what serving.model"),
        (
            {},
            {"distil.mean": {"recipe": "cnn"}},
            "distil.mean: may not have the name of an ensemble method; rename it",
        ),
        (
            {},
            {"recipes.cnn.loss": {"name": "focal"}},
            "distil.small.recipe: got cnn, whose loss focal takes no probabilities as targets; "
            "allowed a recipe with loss cross_entropy",
        ),
        (
            {},
            {"recipes.cnn.search.space": {"loss.name": {"choices": ["cross_entropy", "hinge"]}}},
            "distil.small.recipe: got cnn, whose loss hinge takes no probabilities as targets",
        ),
        (
            {},
            {"recipes.cnn.training.class_weights": "inverse"},
            "distil.small.recipe: got cnn, whose training.class_weights is not always null",
        ),
        (
            {},
            {"recipes.cnn.training.sampling": "balanced"},
            "distil.small.recipe: got cnn, whose training.sampling is not always 'natural'",
        ),
        ({"temperature": 2}, VALUES, "distil.small.temperature: got 2, but task regression predi"),
        ({}, {"serving.model": "smal"}, "serving.model: got 'smal'; allowed ensemble, small; near"),
        ({}, {"prediction.members": {"smal": {}}}, "prediction.members: got 'smal'; allowed cnn_1"),
    ],
)
def test_what_does_not_fit_is_refused(
    student: dict[str, Any], change: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UserError) as refused:
        parsed(change, **student)
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)
