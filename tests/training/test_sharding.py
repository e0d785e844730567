"""Shards: two devices that hold half of everything each learn what one learns that holds it all."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

from pipeline.config.load import parse_params
from pipeline.config.recipes import Recipe
from pipeline.core.component import make, schema
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml
from pipeline.core.run_log import Spool
from pipeline.training import sharding
from tests.conftest import ROOT
from tests.training import gloo
from tests.training.fits import end, forked, forked_here, recipe, same, status, weights

CNN, RESNET = {"name": "cnn", "widths": (4, 4)}, {"name": "resnet", "widths": (4, 8)}
SGD = {"name": "sgd", "nesterov": True}


def test_each_device_holds_its_half() -> None:
    """And all of it comes together again, in a network of several units."""
    network = nn.Sequential(*(nn.Sequential(nn.Linear(16, 16), nn.ReLU()) for _ in range(3)))
    before = {name: value.clone() for name, value in network.state_dict().items()}

    def work(rank: int) -> None:
        sharding.UNIT = 100
        sharding.shard(network, init_device_mesh("cpu", (2,)))
        half = sum(part.numel() for part in sharding.local(network.state_dict()))
        assert half == sum(value.numel() for value in before.values()) // 2
        assert all(map(sharding.is_cut, network.parameters()))
        again = sharding.whole(sharding.cut(before, network.state_dict()))
        for found in (sharding.whole(network.state_dict()), again):
            assert all(torch.equal(found[name], before[name]) for name in before)

    gloo.run(work, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "training"),
    [
        (CNN, {"average": {"name": "ema"}, "micro_batches": 2}),
        (RESNET, {"clip": {"at": 0.1}, "average": {"name": "swa", "start": 0.3}}),
    ],
)
def test_two_shards_learn_what_one_device_learns(
    model: dict[str, Any], training: dict[str, Any], tmp_path: Path
) -> None:
    chosen = Recipe(
        model=schema("model", model["name"])(**model),
        loss=make("loss", "cross_entropy"),
        training={"epochs": 3, "batch_size": 8, "lr": 0.01, "optimiser": SGD, **training},
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert status(forked_here(whole, chosen, devices=1)) == 0
    assert status(forked(cut, chosen, "small_units", devices=2, strategy="fsdp")) == 0
    one, two = weights(whole), weights(cut)
    assert one.keys() == two.keys()
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["auto", "fsdp"])
def test_the_last_val_batch_may_be_empty_on_a_device(strategy: str, tmp_path: Path) -> None:
    """Of 17 images in parts of 4, the first device has three batches and the second two."""
    one, two = tmp_path / "one", tmp_path / "two"
    plain = recipe({"epochs": 1}, {"dropout": 0.0})
    assert status(forked_here(one, plain, num_val=17)) == 0
    assert status(forked_here(two, plain, num_val=17, devices=2, strategy=strategy)) == 0
    (alone,), (shared,) = (Spool(folder / "spool").figures()[:1] for folder in (one, two))
    assert alone.name == shared.name == "val/log_loss"
    assert shared.value == pytest.approx(alone.value, rel=1e-4)


@pytest.mark.slow
def test_killed_and_resumed_in_shards(tmp_path: Path) -> None:
    chosen = recipe({"epochs": 4, "average": {"name": "ema"}})
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    fsdp: dict[str, Any] = {"devices": 2, "strategy": "fsdp"}
    assert status(forked(alone, chosen, "small_units", **fsdp)) == 0
    child = forked(killed, chosen, "small_units,frequent", **fsdp)
    assert end(child, killed, 0, signal.SIGTERM, num_checkpoints=4) == 143
    assert status(forked(killed, chosen, "small_units", **fsdp)) == 0
    same(alone, killed)


def test_units_are_disjoint_called_and_large_enough() -> None:
    block = nn.Sequential(nn.Linear(10, 10), nn.ReLU())  # 110 parameters
    shared = nn.ModuleList([block, nn.Sequential(nn.Linear(3, 3))])
    network = nn.Sequential(nn.Linear(50, 10), nn.Sequential(shared, nn.Linear(10, 10)))
    assert sharding.units(network, 100) == [block, network[1]]
    assert sharding.units(network, 111) == [network[1]]
    assert sharding.units(network, 1000) == []


@pytest.mark.parametrize(
    ("hardware", "training", "message"),
    [
        ({}, {}, "hardware.strategy: got fsdp with 1 device; allowed only with more"),
        ({"devices": 2}, {"optimiser": {"name": "muon"}}, "optimiser muon; allowed any other"),
        ({"devices": 2}, {"penalty": {"l1": 1e-4}}, "penalty; allowed none; use weight_decay"),
    ],
)
def test_what_cannot_be_cut_is_refused(
    hardware: dict[str, Any], training: dict[str, Any], message: str
) -> None:
    tree = read_yaml(ROOT / "params.yaml")
    tree["hardware"] = {"strategy": "fsdp", **hardware}
    tree["recipes"]["cnn"]["training"].update(training)
    with pytest.raises(UserError, match=message):
        parse_params(tree, "params.yaml")
