"""Soups: means of weights, against naive ones; and the stage, as a member among others."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import update_bn

from pipeline.config.hardware import Hardware
from pipeline.config.training import Training
from pipeline.core.component import make
from pipeline.core.files import read_json
from pipeline.core.paths import Layout
from pipeline.models.network import Network
from pipeline.prediction.predictor import predict_logits
from pipeline.soups.soup import METHODS, MixedNetwork, greedy, make_soup, mean_of, uniform
from pipeline.tasks import multiclass
from pipeline.training.datamodule import DataModule
from tests.conftest import Workspace, small
from tests.training.test_data import inputs

TRAINING = Training(epochs=1, batch_size=8, lr=0.1)
CPU = torch.device("cpu")


def network(change: float = 0.0) -> Network:
    """Of one initialisation, and as far from it as `change` says."""
    model = make("model", "cnn", widths=(4, 4))
    given_ = inputs("none", None)
    made = Network.create(model, given_.card, given_.card.image_shape, 3, seed=0)
    generator = torch.Generator().manual_seed(int(1000 * change))
    with torch.no_grad():
        for value in made.state_dict().values():
            if value.is_floating_point() and change:
                value.add_(change * torch.rand(value.shape, generator=generator))
    return made.eval()


def soup_of(
    members: dict[str, Network], method: str, training: Training = TRAINING
) -> MixedNetwork:
    return make_soup(
        members,
        method,
        inputs("none", None),
        training=training,
        task=make("task", "multiclass"),
        seed=5,
        hardware=Hardware(accelerator="cpu", precision="fp32"),
    )


def loss(network: Network) -> float:
    val = inputs("none", None).val
    log_p = multiclass.predictions(predict_logits(network, val.images, CPU))
    return float(-log_p[np.arange(len(val.targets)), val.targets].mean())


def test_a_mean_is_of_weights_and_leaves_counts() -> None:
    networks = [network(0.1), network(0.2), network(0.4)]
    before = [deepcopy(n.state_dict()) for n in networks]
    mean = mean_of(networks).state_dict()
    for name, value in mean.items():
        states = [state[name].double() for state in before]
        expected = sum(states) / 3 if value.is_floating_point() else states[0]
        torch.testing.assert_close(value.double(), expected, rtol=1e-6, atol=1e-7, msg=name)
    for one, state in zip(networks, before, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
def test_equal_members_give_the_member_back(method: str) -> None:
    member = network(0.1)
    soup = soup_of({"a": deepcopy(member), "b": deepcopy(member)}, method)
    for name, value in soup.network.state_dict().items():
        assert torch.equal(value, member.state_dict()[name]), name
    assert soup.loss == pytest.approx(loss(member))
    assert soup.used == ("a", "b")


def test_statistics_are_of_train_as_the_first_epoch_shows_it() -> None:
    """As torch estimates them, for the mean weights and no others."""
    members = {"a": network(0.1), "b": network(0.3)}
    expected = mean_of(list(members.values()))
    data = DataModule(inputs("none", None), TRAINING, seed=5)
    update_bn([batch.images for batch in data.batches(epoch=0)], expected)
    soup = soup_of(members, "uniform")
    for name, value in soup.network.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, expected.state_dict()[name], msg=name)
    assert not soup.network.training
    assert soup.loss == pytest.approx(loss(soup.network))
    assert soup.losses == {name: pytest.approx(loss(member)) for name, member in members.items()}


def test_members_are_compared_for_the_shares_of_val() -> None:
    """Their logits are for equally common classes; half a sample is added to those of val."""
    adjusted, val = TRAINING.model_copy(update={"logit_adjustment": 1.0}), inputs("none", None).val
    members = {"a": network(0.1), "b": network(0.3)}
    found = soup_of(members, "greedy", adjusted).losses
    shift = np.log(np.bincount(val.targets) + 0.5)
    for name, member in members.items():
        log_p = multiclass.predictions(predict_logits(member, val.images, CPU) + shift)
        expected = -log_p[np.arange(len(val.targets)), val.targets].mean()
        assert found[name] == pytest.approx(expected)
        assert found[name] != pytest.approx(loss(member), rel=1e-3)


class Number(Network):
    """As though a network were one."""

    def __init__(self, x: float) -> None:
        nn.Module.__init__(self)
        self.x = x


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=7))
def test_greedy_is_the_paper_s(numbers: list[int]) -> None:
    """With numbers for networks; 0 is the best."""
    members: dict[str, Network] = {f"m{i}": Number(x) for i, x in enumerate(numbers)}

    def mix(networks: Sequence[Any]) -> Network:
        return Number(float(np.mean([number.x for number in networks])))

    def loss_of(number: Any) -> float:
        return float(abs(number.x))

    used: list[str] = []
    for name in sorted(members, key=lambda name: loss_of(members[name])):
        without, tried = ([members[n] for n in names] for names in (used, [*used, name]))
        if not used or loss_of(mix(tried)) <= loss_of(mix(without)):
            used.append(name)
    soup = greedy(members, mix, loss_of)
    assert list(soup.used) == used
    assert soup.loss <= min(map(loss_of, members.values()))
    assert uniform(members, mix, loss_of).used == tuple(members)


def souped(tree: dict[str, Any]) -> None:
    small(tree)
    tree["data"] |= {"num_folds": 2, "val_fraction": None}
    tree["recipes"]["cnn"].pop("search")
    tree["recipes"]["cnn"]["training"]["epochs"] = 1
    del tree["recipes"]["resnet"]
    tree["members"] = {
        f"cnn_{seed}": {"recipe": "cnn", "seed": seed, "init_seed": 7} for seed in (1, 2)
    }
    tree["ensemble"] = {"methods": [{"name": "mean"}, {"name": "best"}]}
    tree["soups"] = {"soup_1": {"members": ["cnn_1", "cnn_2"], "method": "uniform"}}


@pytest.mark.slow
def test_a_soup_is_one_more_of_the_pool(tmp_path: Path) -> None:
    """Of two folds; compared with its members, and deployed where it counts."""
    workspace = Workspace(tmp_path / "work")
    workspace.edit(souped)
    workspace.run("dvc", "repro", "evaluate", "package")
    layout = Layout(workspace.folder)
    for fold in ("fold_0", "fold_1"):
        weights = [
            Network.load(folder / fold).state_dict()["body.0.weight"]
            for folder in (layout.member("cnn_1"), layout.member("cnn_2"), layout.soup("soup_1"))
        ]
        torch.testing.assert_close((weights[0] + weights[1]) / 2, weights[2])
        assert not torch.equal(weights[0], weights[1])
    assert [found["used"] for found in read_json(layout.soups / "soups.json")["soup_1"]] == [
        ["cnn_1", "cnn_2"]
    ] * 2
    assert {"cnn_1", "cnn_2", "soup_1"} < set(read_json(layout.comparison)["systems"])
    costs = [read_json(layout.cost(name)) for name in ("cnn_1", "soup_1")]
    assert costs[0] == costs[1]
    deployed = {path.name for path in layout.model.glob("artifacts/ensemble/members/*")}
    assert deployed <= {"cnn_1", "cnn_2", "soup_1"}
    assert deployed
    workspace.edit(lambda tree: tree["soups"]["soup_1"].update(method="greedy"))
    printed = workspace.run("dvc", "status")
    assert "soup:" in printed
    assert "train@" not in printed
