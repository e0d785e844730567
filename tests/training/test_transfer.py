"""What is frozen keeps every bit; what is thawed learns at the rate of its depth."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.config.optimisation import Transfer
from pipeline.core.component import load, make
from pipeline.models.network import Network
from pipeline.training import checkpoint
from pipeline.training.fit import module_of
from pipeline.training.transfer import blocks, freeze, num_learning
from tests.conftest import Workspace
from tests.training.fits import EPOCHS, Crash, equal, job, nan_at, recipe, run
from tests.training.test_data import SHAPE, inputs
from tests.training.test_fit import train

EXTRACTION = Transfer(frozen_epochs=None)
GRADUAL = Transfer(frozen_epochs=2, gradual=True)
BLOCKS = (("body.0.", "body.1."), ("body.4.", "body.5."), ("body.10.",))  # of test_loop's network


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Transfer(), [4] * 9),
        (EXTRACTION, [1] * 9),
        (Transfer(frozen_epochs=2), [1, 1, 4, 4, 4, 4, 4, 4, 4]),
        (GRADUAL, [1, 1, 2, 2, 3, 3, 4, 4, 4]),
        (Transfer(frozen_epochs=1, gradual=True), [1, 2, 3, 4, 4, 4, 4, 4, 4]),
    ],
    ids=str,
)
def test_blocks_are_thawed_as_it_is_written(chosen: Transfer, expected: list[int]) -> None:
    assert [num_learning(chosen, epoch, 4) for epoch in range(9)] == expected


@given(
    frozen=st.none() | st.integers(0, 9),
    gradual=st.booleans(),
    epoch=st.integers(0, 99),
    num=st.integers(1, 30),
)
def test_nothing_that_learns_is_frozen_again(
    frozen: int | None, gradual: bool, epoch: int, num: int
) -> None:
    chosen = Transfer(frozen_epochs=frozen, gradual=gradual and bool(frozen))
    now, later = (num_learning(chosen, e, num) for e in (epoch, epoch + 1))
    assert 1 <= now <= later <= num


@pytest.mark.parametrize("name", ["airbench", "cnn", "lenet", "resnet", "timm", "torchvision"])
def test_blocks_hold_all_parameters_in_their_order(name: str) -> None:
    """So an optimiser's groups are the same, to the bit, as though there were no blocks."""
    own = make("model", name)
    module = load("model", own)
    body = module.build(own, (32, 32, 3), 10)
    found = [pair for block in blocks(body) for pair in block]
    assert [n for n, _ in found] == [n for n, _ in body.named_parameters()]
    assert all(a is b for (_, a), b in zip(found, body.parameters(), strict=True))


def plain() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)),
        *(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, affine=False), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 2)),
    )


def modes(body: nn.Module, num: int) -> list[str]:
    """Names of the norms and dropouts that are frozen, where the last `num` blocks learn."""
    freeze(body, blocks(body), num)
    kinds = (nn.BatchNorm2d, nn.Dropout, timm.layers.DropPath)
    return [n for n, m in body.named_modules() if isinstance(m, kinds) and not m.training]


def test_norms_are_frozen_with_their_block_and_dropout_with_what_it_feeds() -> None:
    assert modes(plain().train(), 3) == []
    assert modes(plain().train(), 2) == ["1"]
    assert modes(plain().train(), 1) == ["1", "2", "4"]  # not the dropout before the classifier


def test_a_frozen_block_is_frozen_to_its_last_layer() -> None:
    body = timm.create_model("resnet18", drop_path_rate=0.5).train()
    found = modes(body, 2)
    assert {"bn1", "layer1.0.bn1", "layer4.0.bn2", "layer4.0.drop_path"} <= set(found)
    assert not [name for name in found if name.startswith("layer4.1.")]
    learning = [name for name, p in body.named_parameters() if p.requires_grad]
    assert {name.split(".")[0] for name in learning} == {"layer4", "fc"}
    assert all(name.startswith(("layer4.1.", "fc.")) for name in learning)


def test_what_an_architecture_fixes_is_never_thawed() -> None:
    body = plain()
    body[0].requires_grad_(False)
    found = blocks(body)
    freeze(body, found, len(found))
    assert not body[0].weight.requires_grad
    assert body[1].weight.requires_grad
    assert [name for name, _ in found[0]] == ["1.weight", "1.bias"]


def test_rates_fall_with_the_distance_from_the_classifier(tmp_path: Path) -> None:
    training = {"transfer": {"lr_decay_by_depth": 0.5}, "optimiser": {"name": "muon"}}
    module = module_of(job(tmp_path, recipe(training)), inputs("none", None))
    optimizer = module.configure_optimizers()
    rates = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
    for name, parameter in module.network.named_parameters():
        (depth,) = (i for i, prefixes in enumerate(BLOCKS) if name.startswith(prefixes))
        assert rates[id(parameter)] == 0.01 * 0.5 ** (2 - depth)
    assert optimizer.param_groups[-1]["lr"] == 0.01  # the one that is told


def start() -> dict[str, Tensor]:
    """The weights from which test_loop's fits begin."""
    card = inputs("none", None).card
    return Network.create(recipe({}).model, card, SHAPE, len(card.classes), 2).state_dict()


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> list[bool]:
    """Whether each block has learned, its statistics too; none by half."""
    found = []
    for prefixes in BLOCKS:
        same = {torch.equal(before[n], after[n]) for n in before if n.startswith(prefixes)}
        assert len(same) == 1
        found.append(same == {False})
    return found


def test_a_fit_moves_a_block_from_the_epoch_on_in_which_it_is_thawed(tmp_path: Path) -> None:
    states = [start()]
    for num in range(1, EPOCHS + 1):
        with pytest.raises(Crash):
            run(tmp_path, crash_at=num, transfer={"frozen_epochs": 1, "gradual": True})
        held = checkpoint.read(tmp_path / "checkpoints" / checkpoint.EPOCH)["state_dict"]
        states.append({k.removeprefix("network."): v.clone() for k, v in held.items()})
    learned = [moved(*pair) for pair in pairwise(states)]
    assert learned == [[False, False, True], [False, True, True], [True, True, True]]


@pytest.mark.parametrize(
    "training",
    [
        {"optimiser": {"name": "sgd"}, "weight_decay": 0.5, "clip": {}},
        {"average": {"name": "ema"}, "penalty": {"l1": 0.1, "l2": 0.1}, "micro_batches": 2},
        {"average": {"name": "swa", "start": 0.0}, "epochs": 1},
        {"optimiser": {"name": "muon"}, "weight_decay": 0.5},
    ],
    ids=str,
)
def test_extraction_trains_the_classifier_alone(training: dict[str, Any], tmp_path: Path) -> None:
    weights, _ = run(tmp_path, transfer={"frozen_epochs": None}, **training)
    assert moved(start(), weights) == [False, False, True]


@pytest.mark.parametrize("gradual", [False, True])
def test_recovery_freezes_again_what_was_frozen(
    gradual: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken back from epoch 3, a fit ends as one whose rate is half from there on."""
    transfer = {"frozen_epochs": 2 - gradual, "gradual": gradual}
    halved = {"name": "step", "warmup_epochs": 0, "milestones_epochs": (2.0,), "gamma": 0.5}
    expected, _ = run(tmp_path / "halved", transfer=transfer, schedule=halved)
    nan_at(monkeypatch, {2 * 10 + 2 * 3})  # mixed batches take two calls: the third of epoch 3
    constant = {"name": "constant", "warmup_epochs": 0}
    weights, logged = run(
        tmp_path / "taken back", transfer=transfer, schedule=constant, on_divergence="recover"
    )
    assert logged[-1][1]["train/lr"] == 0.005
    assert equal(weights, expected)


PRETRAINED = "data/weights/small.safetensors"
OPTIONS = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]}
THAWED = ("body.fc.", "body.layer4.", "body.layer3.")  # of six blocks, in three epochs


FINE_TUNED: dict[str, Any] = {
    "model": {
        "name": "timm", "architecture": "resnet18", "pretrained": PRETRAINED, "options": OPTIONS,
    },
    "training": {"transfer": {"frozen_epochs": 1, "gradual": True, "lr_decay_by_depth": 0.5}},
}  # fmt: skip


@pytest.mark.slow
def test_two_processes_thaw_as_one_does(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for stage in ("preprocess", "augment"):
        workspace.stage(stage)
    monkeypatch.chdir(workspace.folder)
    torch.manual_seed(0)
    body = timm.create_model("resnet18", **OPTIONS, num_classes=7, in_chans=1)
    Path(PRETRAINED).parent.mkdir(parents=True, exist_ok=True)
    save_file(body.state_dict(), PRETRAINED)
    one, _ = train(workspace, "alone", **FINE_TUNED, accelerator="cpu")
    two, _ = train(workspace, "thawed", **FINE_TUNED, accelerator="cpu", devices=2)
    message = capfd.readouterr()  # torch's advice where no block is unused any more
    assert "find_unused_parameters" not in message.out + message.err
    for name, pretrained in body.state_dict().items():
        weight, other = one[f"body.{name}"], two[f"body.{name}"]
        if f"body.{name}".startswith(THAWED):
            np.testing.assert_allclose(other, weight, rtol=1e-3, atol=1e-4, err_msg=name)
            assert weight.shape != pretrained.shape or not torch.equal(weight, pretrained), name
        else:
            assert torch.equal(weight, pretrained) and torch.equal(other, pretrained), name
