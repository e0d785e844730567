"""Correct gradients pass, and every kind of wrong one is found."""

import re
import sys
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from torch import Tensor, nn

from pipeline.cli.app import main
from pipeline.core.component import Component, make, names, schema
from pipeline.models.gradcheck import checks, compare
from tests.conftest import ROOT

PAIRS = [
    (task, loss)
    for task in names("task")
    for loss in names("loss")
    if schema("task", task).ACTIVATION in schema("loss", loss).ACTIVATIONS
]
SMALL = (8, 8, 1)


def component(family: str, name: str) -> Component:
    return make(family, name)


class Tripled(torch.autograd.Function):
    """Computes 3 x, with a backward pass made wrong by `mistake`."""

    @staticmethod
    def forward(ctx, x: Tensor, mistake) -> Tensor:
        ctx.mistake = mistake
        return 3 * x

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return ctx.mistake(3 * gradient), None


MISTAKES = {
    "a factor": lambda g: 1.001 * g,
    "the sign": lambda g: -g,
    "nothing comes through": torch.zeros_like,
    "one of many is lost": lambda g: g.index_fill(0, torch.tensor([2]), 0),
    "transposed": lambda g: g.flip(0),
    "not finite": lambda g: g * torch.nan,
}


def through(mistake, size: int = 1000, seed: int = 0) -> str:
    """Return the problem found in one tensor's gradient."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(size, generator=generator, dtype=torch.float64)
    (found,) = compare(
        lambda at: Tripled.apply(at["w"], mistake).sin().sum(), {"w": weight}, generator
    )
    assert found[:2] == ("w", size)
    return found.problem


def test_a_right_backward_passes() -> None:
    assert through(lambda g: g) == ""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_backward_is_found(mistake: str) -> None:
    assert all(through(MISTAKES[mistake], seed=seed) for seed in range(5))


def test_a_problem_gives_both_derivatives_in_one_line() -> None:
    numerical, analytical = re.findall(r"al:tensor\(\[\[(-?[\d.]+)", through(MISTAKES["the sign"]))
    assert float(numerical) == pytest.approx(-float(analytical), rel=1e-3)


def test_a_single_number_is_checked_too() -> None:
    assert not through(lambda g: g, size=1)
    assert through(lambda g: 1.1 * g, size=1)


@pytest.mark.parametrize("constant", [0, 7])
def test_a_gradient_that_is_zero_passes(constant: int) -> None:
    weight = torch.ones(5, dtype=torch.float64)
    found = compare(lambda at: (0 * at["w"]).sum() + constant, {"w": weight}, torch.Generator())
    assert [check.problem for check in found] == [""]


def test_only_what_is_wrong_is_named() -> None:
    layers = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
    images = torch.randn(5, 3, dtype=torch.float64)

    def value(at) -> Tensor:
        hidden = nn.functional.linear(images, at["0.weight"], at["0.bias"])
        hidden = Tripled.apply(hidden, MISTAKES["a factor"])
        return nn.functional.linear(hidden, at["1.weight"], at["1.bias"]).square().mean()

    found = compare(value, dict(layers.named_parameters()), torch.Generator())
    assert [check.name for check in found if check.problem] == ["0.weight", "0.bias"]


def test_the_tensors_are_left_as_they_were() -> None:
    weight = torch.randn(6, dtype=torch.float64, requires_grad=True)
    before = weight.detach().clone()
    list(compare(lambda at: at["w"].exp().sum(), {"w": weight}, torch.Generator()))
    assert torch.equal(weight, before)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_models_pass_parameter_by_parameter(name: str) -> None:
    """Dropout is off: it would draw anew for each of the two losses."""
    model = make("model", name, dropout=0.5)
    loss = component("loss", "cross_entropy")
    found = list(checks(model, loss, component("task", "multiclass"), SMALL))
    assert len(found) > 8
    assert [check for check in found if check.problem] == []


@pytest.mark.parametrize(("task", "loss"), PAIRS)
def test_losses_of_every_task_pass_through_a_model(task: str, loss: str) -> None:
    chosen = component("model", "cnn"), component("loss", loss), component("task", task)
    found = list(checks(*chosen, SMALL))
    assert [check for check in found if check.problem] == []


def test_a_slight_mistake_in_a_large_tensor_is_found() -> None:
    assert not through(lambda g: g, size=1_000_000)
    assert through(lambda g: 1.00003 * g, size=1_000_000)


def test_exploding_gradients_pass() -> None:
    """Batch norm over few images, in many layers: a step of the usual size crosses kinks in all."""
    generator = torch.Generator().manual_seed(0)
    images, weight, *others = torch.randn(31, 16, 16, generator=generator, dtype=torch.float64)

    def value(at) -> Tensor:
        hidden = images[:4]
        for layer in (at["w"], *others):
            hidden = nn.functional.batch_norm(hidden @ layer, None, None, training=True).relu()
        return hidden[0].sum()

    assert torch.func.grad(value)({"w": weight})["w"].norm() > 1e4
    assert [found.problem for found in compare(value, {"w": weight}, generator)] == [""]


def test_a_kink_within_reach_of_the_shortest_step_passes() -> None:
    """With this seed, three tensors crossed one at every step while all began at one point."""
    chosen = component("model", "cnn"), component("loss", "mse"), component("task", "regression")
    assert [check for check in checks(*chosen, SMALL, seed=67) if check.problem] == []


@pytest.fixture
def of_two(tmp_path: Path) -> Path:
    """Return a parameter file whose recipe cnn distinguishes two classes."""
    yaml = YAML(typ="safe")
    tree = yaml.load(ROOT / "params.yaml")
    tree["task"]["name"] = "binary"
    for recipe in tree["recipes"].values():
        recipe["loss"] = {"name": "binary_cross_entropy"}
    yaml.dump(tree, tmp_path / "two.yaml")
    return tmp_path / "two.yaml"


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    small = ["--size-px", "8", "--channels", "1"]
    monkeypatch.setattr(sys, "argv", ["pipeline", "gradcheck", *arguments, *small])
    with pytest.raises(SystemExit) as left:
        main()
    if left.value.code:
        raise left.value


def test_the_command_tells_every_tensor(monkeypatch, capsys, of_two) -> None:
    command(monkeypatch, "cnn", "--file", str(of_two))
    told = capsys.readouterr().out
    assert "fine              4  logits\n" in told
    assert "fine            288  0.weight\n" in told
    assert told.endswith("cnn: no gradient differs from its finite difference by more than 1e-05\n")


def test_the_command_names_what_is_wrong_and_fails(monkeypatch, capsys, of_two) -> None:
    from pipeline.losses import binary_cross_entropy

    def build(params, class_weights):
        wrong = MISTAKES["the sign"]
        return lambda z, targets: (Tripled.apply(z, wrong) - targets[:, None]).square().mean()

    monkeypatch.setattr(binary_cross_entropy, "build", build)
    with pytest.raises(SystemExit, match=r"cnn: 9 gradients differ .*: logits, 0\.weight, .*backw"):
        command(monkeypatch, "cnn", "--file", str(of_two))
    assert "WRONG             4  logits: Jacobian mismatch" in capsys.readouterr().out


def test_a_recipe_that_is_not_there_is_named(monkeypatch) -> None:
    with pytest.raises(SystemExit, match="recipes: got 'cn'; allowed cnn, resnet; nearest cnn"):
        command(monkeypatch, "cn")
