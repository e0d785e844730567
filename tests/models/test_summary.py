"""A network's figures, compared with closed forms and its own gradients, and as users see them."""

from io import StringIO
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rich.console import Console
from torch import Tensor, nn

from pipeline.config.load import load_params
from pipeline.core.errors import UserError
from pipeline.models.architectures import lenet
from pipeline.models.cost import cost
from pipeline.models.network import Network
from pipeline.models.summary import choose, held_bytes, rows, table
from tests.conftest import ROOT, Workspace


def totals(body: nn.Module, shape: tuple[int, int, int]) -> tuple[float, float]:
    """Return the millions of parameters and of multiply-adds."""
    whole = rows(body, shape)[0]
    return whole.num_parameters / 1e6, whole.multiply_adds / 1e6


def test_the_layers_of_lenet_are_those_of_the_textbook() -> None:
    body = lenet.build(lenet.Params(name="lenet"), (28, 28, 1), 10)
    found = [row for row in rows(body, (28, 28, 1))[1:] if row.num_parameters]
    assert [(r.output_shape, r.num_parameters, r.multiply_adds) for r in found] == [
        ((6, 28, 28), 156, 6 * 28 * 28 * 25),
        ((16, 10, 10), 2416, 16 * 10 * 10 * 25 * 6),
        ((120,), 48_120, 400 * 120),
        ((84,), 10_164, 120 * 84),
        ((10,), 850, 84 * 10),
    ]
    assert [r.field_px for r in found] == [(5, 5), (14, 14), None, None, None]


@given(
    channels=st.integers(1, 4),
    groups=st.integers(1, 3),
    kernel_px=st.integers(1, 3),
    stride=st.integers(1, 2),
)
@settings(max_examples=25, deadline=None)
def test_a_convolution_takes_its_closed_form(
    channels: int, groups: int, kernel_px: int, stride: int
) -> None:
    body = nn.Conv2d(channels * groups, 6 * groups, kernel_px, stride, groups=groups)
    (row,) = rows(body, (9, 11, channels * groups))
    places = ((9 - kernel_px) // stride + 1) * ((11 - kernel_px) // stride + 1)
    assert row.multiply_adds == places * 6 * groups * channels * kernel_px**2
    assert row.num_parameters == 6 * groups * (channels * kernel_px**2 + 1)


@pytest.mark.parametrize(
    ("body", "parameters", "multiply_adds"),
    [
        (torchvision.models.resnet18(), 11.69, 1814),
        (torchvision.models.mobilenet_v2(), 3.50, 300.8),
    ],
    ids=["resnet18", "mobilenet_v2"],
)
def test_totals_are_the_published_ones(
    body: nn.Module, parameters: float, multiply_adds: float
) -> None:
    assert totals(body, (224, 224, 3)) == pytest.approx((parameters, multiply_adds), rel=2e-3)


def test_attention_counts_both_of_its_products() -> None:
    tokens, width, depth, hidden = 197, 192, 12, 768
    block = tokens * (4 * width**2 + 2 * width * hidden) + 2 * tokens**2 * width
    expected = 196 * width * 768 + depth * block + width * 1000
    found = totals(timm.create_model("vit_tiny_patch16_224"), (224, 224, 3))
    assert found[1] == pytest.approx(expected / 1e6, rel=1e-6)


class Parts(nn.Module):
    """Three linear layers in lists that do not run themselves, one of them twice, and a product."""

    def __init__(self) -> None:
        super().__init__()
        pair = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.parts = nn.ModuleList([pair, nn.Linear(4, 2)])

    def forward(self, images: Tensor) -> Tensor:
        (first, second), last = self.parts
        features = first(second(first(images.flatten(1))))
        return last(features) * nn.functional.linear(features, last.weight)


def test_a_block_counts_all_within_it_and_a_layer_that_runs_twice_stands_once() -> None:
    found = {row.name: (row.num_parameters, row.multiply_adds) for row in rows(Parts(), (2, 2, 1))}
    assert found == {
        "": (50, 64),
        "parts": (50, 56),
        "parts.0": (40, 48),
        "parts.0.0": (20, 32),
        "parts.0.1": (20, 16),
        "parts.1": (10, 8),
    }


def test_held_memory_is_what_the_backward_pass_needs() -> None:
    """Held are the image, a ReLU's output (in place: once), max indices (8 bytes) and features."""
    body = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64, 3)),
    )
    image, maps, indices, features = 8 * 8 * 4, 4 * 8 * 8 * 4, 4 * 4 * 4 * 8, 64 * 4
    assert held_bytes(body, (8, 8, 1)) == image + maps + indices + features


class Joined(nn.Module):
    """Two branches, added or concatenated."""

    def __init__(self, ways: list[nn.Module], stack: bool) -> None:
        super().__init__()
        self.ways, self.stack = nn.ModuleList(ways), stack

    def forward(self, maps: Tensor) -> Tensor:
        made = [way(maps) for way in self.ways]
        return torch.cat(made, 1) if self.stack else made[0] + made[1]


def window(kind: str, kernel: tuple[int, int], stride: int, dilation: int) -> nn.Module:
    if kind == "conv":
        return nn.LazyConv2d(2, kernel, stride, dilation=dilation)
    return nn.AvgPool2d(kernel, stride)


LAYERS = st.lists(
    st.tuples(
        st.sampled_from(["conv", "pool"]),
        st.tuples(st.integers(1, 3), st.integers(1, 3)),
        st.integers(1, 2),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=4,
)


def seen(body: nn.Module) -> tuple[int, int]:
    """Return the size of the region that one value in the middle of the last map depends on."""
    body = body.double()
    image = torch.rand(1, 1, 80, 80, dtype=torch.float64, requires_grad=True)
    maps = body(image)
    for parameter in body.parameters():
        nn.init.uniform_(parameter, 0.5, 1.0)  # so that nothing cancels
    maps = body(image)
    maps[0, 0, maps.shape[2] // 2, maps.shape[3] // 2].backward()
    places = image.grad[0, 0].nonzero()
    height, width = (places.max(0).values - places.min(0).values + 1).tolist()
    return height, width


@given(layers=LAYERS, branch=st.booleans(), stack=st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_receptive_field_is_where_the_gradient_reaches(
    layers: list[tuple[str, tuple[int, int], int, int]], branch: bool, stack: bool
) -> None:
    parts = [window(*layer) for layer in layers]
    if branch:
        wide = nn.LazyConv2d(2, (3, 5), padding=(1, 2))
        parts.insert(len(parts) // 2, Joined([wide, nn.LazyConv2d(2, 1)], stack))
    body = nn.Sequential(*parts)
    expected = seen(body)
    assume(max(expected) < 70)
    assert rows(body.float(), (80, 80, 1))[-1].field_px == expected


def test_the_receptive_fields_of_known_networks() -> None:
    """A. Araujo et al., 2019, and the figures of their library."""
    expected = {"vgg16": 212, "resnet18": 435, "resnet50": 427}
    for name, side_px in expected.items():
        found = rows(torchvision.models.get_model(name), (224, 224, 3))
        last = [row for row in found if row.field_px][-1]
        assert last.field_px == (side_px, side_px)


def test_what_mixes_all_places_has_no_bound() -> None:
    body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(4), nn.Conv2d(2, 2, 3))
    assert [row.field_px for row in rows(body, (8, 8, 1))] == [None, (3, 3), None, None]


def test_a_recipe_goes_before_a_model_of_the_same_name() -> None:
    recipe = load_params(ROOT / "params.yaml").recipes["resnet"]
    assert choose("cnn", {"cnn": recipe}) == recipe.model
    assert choose("lenet", {}).name == "lenet"
    assert choose("resnet50", {}).model_dump()["architecture"] == "resnet50"
    assert choose("alexnet", {}).name == "torchvision"
    with pytest.raises(UserError, match=r"got 'resnt50'; allowed a recipe .*; nearest resnet50"):
        choose("resnt50", {})


@pytest.mark.parametrize("name", ["densenet121", "swin_t", "vit_b_16", "efficientnet_b0"])
def test_a_row_takes_one_line_of_80_columns(name: str) -> None:
    """The deepest networks and longest names of torchvision."""
    body = torchvision.models.get_model(name)
    console = Console(width=80, file=StringIO(), record=True)
    console.print(table("a network", body, (224, 224, 3)))
    lines = console.export_text().splitlines()
    around = 7  # title, headings, rule, blank lines and a caption of two
    assert len(lines) - around == len(rows(body, (224, 224, 3)))
    assert max(map(len, lines)) <= 80


@pytest.mark.slow
def test_the_command_shows_layers_and_totals(workspace: Workspace) -> None:
    command = ("python", "-m", "pipeline", "summary")
    shown = workspace.run(*command, "lenet", "--shape", "28", "28", "1", "--outputs", "10")
    assert "14×14" in shown
    assert "61,706" in shown
    assert "5 blocks" in shown
    assert "416,520" in shown
    said = workspace.run(*command, "cnn", status=1)
    assert "card.json: not found; run `dvc repro preprocess`, or pass --shape" in said


def test_the_cost_of_a_network_is_that_of_its_layers_and_its_file(tmp_path: Path) -> None:
    model = lenet.Params(name="lenet")
    network = Network(lenet.build(model, (28, 28, 1), 10), (28, 28, 1), 10)
    network.save(tmp_path, model)
    found = cost(network)
    assert found.num_parameters == 61_706  # Y. LeCun et al., 1998: 60,000 trainable parameters
    assert found.multiply_adds == 416_520
    header = (tmp_path / "weights.safetensors").read_bytes()[:8]
    assert (tmp_path / "weights.safetensors").stat().st_size == (
        8 + int.from_bytes(header, "little") + found.num_bytes
    )
