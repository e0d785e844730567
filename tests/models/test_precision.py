"""`auto` is a rule over a device's capabilities; explicit settings always take precedence."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.config.hardware import Hardware
from pipeline.core.artifacts import Card
from pipeline.core.component import make
from pipeline.core.run_log import Spool
from pipeline.models.network import Network
from pipeline.models.precision import Arithmetic, choose, decide
from pipeline.prediction.predictor import Predictor
from tests.core.test_run_log import opened

AUTO = Hardware()
CPU = torch.device("cpu")
SHAPE = (12, 12, 1)
RULE = [  # kind, has_bf16, strides_by_channel; precision, memory format, why
    ("cpu", True, False, "bf16", "channels_last", "has bf16"),
    ("cpu", True, True, "fp32", "channels_last", "depthwise"),
    ("cpu", False, False, "fp32", "channels_last", "no bf16"),
    ("cpu", False, True, "fp32", "channels_last", "no bf16"),
    ("cuda", True, False, "bf16", "channels_last", "has bf16"),
    ("cuda", True, True, "bf16", "channels_last", "has bf16"),
    ("cuda", False, False, "fp32", "contiguous", "no bf16"),
    ("mps", False, False, "fp32", "contiguous", "no bf16"),
]


@pytest.mark.parametrize(("kind", "bf16", "strides", "precision", "memory_format", "why"), RULE)
def test_the_rule(
    kind: str, bf16: bool, strides: bool, precision: str, memory_format: str, why: str
) -> None:
    found = decide(AUTO, kind, has_bf16=bf16, strides_by_channel=strides)
    assert found[:2] == (precision, memory_format)
    assert why in found.reason
    assert str(found) == f"{precision}, {memory_format}: {found.reason}"


@pytest.mark.parametrize(
    ("kind", "bf16", "strides"), product(("cpu", "cuda"), *[(False, True)] * 2)
)
@pytest.mark.parametrize(
    ("precision", "memory_format"), product(("fp32", "bf16"), ("contiguous", "channels_last"))
)
def test_what_is_written_holds(
    kind: str, bf16: bool, strides: bool, precision: str, memory_format: str
) -> None:
    facts = {"kind": kind, "has_bf16": bf16, "strides_by_channel": strides}
    auto = decide(AUTO, **facts)
    both = decide(Hardware(precision=precision, memory_format=memory_format), **facts)
    assert both[:2] == (precision, memory_format)
    assert decide(Hardware(precision=precision), **facts)[:2] == (precision, auto.memory_format)
    one = decide(Hardware(memory_format=memory_format), **facts)
    assert one[:2] == (auto.precision, memory_format)


@pytest.mark.parametrize("flag", ["amx_bf16", "avx512_bf16", None])
def test_a_processor_is_known_by_its_flags(flag: str | None, monkeypatch) -> None:
    flags = {"avx2": True, "avx512_f": True, "amx_bf16": False, "avx512_bf16": False}
    flags |= {flag: True} if flag else {}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    wanted = "bf16" if flag else "fp32"
    assert choose(AUTO, CPU, nn.Conv2d(4, 4, 3, stride=2, groups=2)).precision == wanted


@pytest.mark.parametrize(
    ("layer", "precision"),
    [
        (nn.Conv2d(4, 8, 3, stride=2, groups=4), "fp32"),
        (nn.Conv2d(4, 4, 3, groups=4), "bf16"),
        (nn.Conv2d(4, 4, 3, stride=2, groups=2), "bf16"),
        (nn.Conv2d(1, 4, 3, stride=2), "bf16"),
    ],
)
def test_a_strided_depthwise_convolution_anywhere_decides(
    layer: nn.Module, precision: str, monkeypatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), layer))
    assert choose(AUTO, CPU, body).precision == precision


def network() -> Network:
    card = Card(("a", "b", "c"), SHAPE, "crop", 1, {}, (0.4,), (0.2,), "")
    return Network.create(make("model", "resnet", widths=(8,)), card, SHAPE, 3, 0)


@pytest.mark.parametrize(("precision", "bound"), [("fp32", 1e-5), ("bf16", 0.05)])
@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_a_network_computes_as_it_is_told(precision, bound, memory_format) -> None:
    """Images of one channel are laid out so too; weights, gradients and logits stay in fp32."""
    images = torch.randint(0, 256, (5, *SHAPE), dtype=torch.uint8)
    made = network().arrange(Arithmetic(precision, memory_format, ""))
    seen: list[torch.Tensor] = []
    made.body[0].register_forward_hook(lambda *calls: seen.append(calls[2]))
    logits, expected = made(images), network()(images)
    layouts = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    assert seen[0].dtype == (torch.float32 if precision == "fp32" else torch.bfloat16)
    assert seen[0].is_contiguous(memory_format=layouts[memory_format])
    assert logits.dtype == torch.float32
    error = (logits - expected).abs().max() / expected.abs().max()
    assert error < bound
    logits.sum().backward()
    assert {w.grad.dtype for w in made.parameters()} == {torch.float32}


def test_prediction_computes_as_training_did_and_the_run_says_how(tmp_path: Path) -> None:
    trained = network()
    trained.arrange(choose(AUTO, CPU, trained.body))
    member = Predictor([network(), network()], CPU)
    spool: Spool = opened(tmp_path)
    spool.tag({"convoy.kind": "x"})
    spool.tag(member.arrange(AUTO).tags())
    images = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)
    with torch.inference_mode():
        np.testing.assert_array_equal(
            member.logits(images), trained.eval()(torch.from_numpy(images)).numpy()
        )
    text = (tmp_path / "run.json").read_text()
    for message in ('"convoy.kind": "x"', *map('"{}"'.format, trained.arithmetic[:2]), "train/a"):
        assert message in text
