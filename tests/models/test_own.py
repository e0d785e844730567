"""Convoy's own networks, compared with their papers and the library."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from pipeline.core.errors import UserError
from pipeline.models.architectures import airbench, cnn, lenet
from pipeline.models.layers.pooling import GlobalMean
from pipeline.models.layers.whitening import Whitening, cosines
from pipeline.training.batch_norm import GlobalBatchNorm

COLOUR = (32, 32, 3)


def num_parameters(body: nn.Module) -> int:
    return sum(p.numel() for p in body.parameters())


def plain(**given: object) -> cnn.Params:
    return cnn.Params(name="cnn", **given)


def test_lenet_has_the_weights_of_the_textbook() -> None:
    params = lenet.Params(name="lenet")
    assert num_parameters(lenet.build(params, (28, 28, 1), 10)) == 61_706
    assert num_parameters(lenet.build(params, (32, 32, 1), 10)) == 61_706


def test_lenet_centres_a_small_image_in_its_field() -> None:
    torch.manual_seed(0)
    small = lenet.build(lenet.Params(name="lenet"), (27, 12, 1), 4)
    torch.manual_seed(0)
    large = lenet.build(lenet.Params(name="lenet"), (32, 32, 1), 4)
    image, field = torch.rand(2, 1, 27, 12), torch.zeros(2, 1, 32, 32)
    field[:, :, 2:29, 10:22] = image
    assert torch.equal(small(image), large(field))


ACTIVATIONS = {
    "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
}  # fmt: skip
POOLINGS = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


@pytest.mark.parametrize(
    ("activation", "pooling"), itertools.product(("tanh", "sigmoid", "relu"), POOLINGS)
)
def test_lenet_follows_its_choices(activation: str, pooling: str) -> None:
    params = lenet.Params(name="lenet", activation=activation, pooling=pooling)
    kinds = [type(layer) for layer in lenet.build(params, (28, 28, 1), 10)]
    assert kinds.count(ACTIVATIONS[activation]) == 4
    assert kinds.count(POOLINGS[pooling]) == 2


def test_the_defaults_of_the_plain_network_keep_their_weights() -> None:
    """Networks trained before it had more choices still load, and start from the same weights."""
    torch.manual_seed(0)
    made = cnn.build(plain(), (28, 28, 1), 10)
    torch.manual_seed(0)
    expected = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
        nn.MaxPool2d(2, ceil_mode=True),
        *(nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.0), nn.Linear(64, 10)),
    )
    assert list(made.state_dict()) == list(expected.state_dict())
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(made(images), expected(images))


@settings(max_examples=60, deadline=None)
@given(
    kernel_px=st.integers(1, 5),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    pooling=st.sampled_from(["max", "average", "none"]),
    height_px=st.integers(24, 40),
)
def test_a_flat_head_sees_every_place_of_the_last_map(
    kernel_px: int, stride: int, padding: int, dilation: int, pooling: str, height_px: int
) -> None:
    """The number of positions follows the formula in torch's documentation of Conv2d."""
    given = {"kernel_px": kernel_px, "stride": stride, "padding": padding, "dilation": dilation}
    params = plain(widths=(4, 4), pooling=pooling, head="flatten", **given)
    side = height_px
    for block in range(2):
        if block and pooling != "none":
            side = -(-side // 2)
        side = (side + 2 * padding - dilation * (kernel_px - 1) - 1) // stride + 1
    if side < 1:
        return
    body = cnn.build(params, (height_px, height_px, 1), 3)
    assert body[-1].in_features == 4 * side**2
    assert body(torch.rand(2, 1, height_px, height_px)).shape == (2, 3)


def test_one_kernel_a_block_groups_and_hidden_layers() -> None:
    params = plain(
        widths=(8, 16), kernel_px=(5, 3), groups=4, convs_per_block=2, hidden=(20,), dropout=0.5
    )
    body = cnn.build(params, COLOUR, 7)
    convolutions = [layer for layer in body if isinstance(layer, nn.Conv2d)]
    assert [c.kernel_size[0] for c in convolutions] == [5, 5, 3, 3]
    assert [c.groups for c in convolutions] == [1, 4, 4, 4]
    assert [c.out_features for c in body if isinstance(c, nn.Linear)] == [20, 7]
    assert [c.p for c in body if isinstance(c, nn.Dropout)] == [0.5, 0.5]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_without_batch_norm_convolutions_have_a_bias(activation: str) -> None:
    body = cnn.build(plain(batch_norm=False, activation=activation), COLOUR, 7)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in body)
    assert all(c.bias is not None for c in body if isinstance(c, nn.Conv2d))
    assert sum(isinstance(c, type(ACTIVATIONS[activation]())) for c in body) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kernel_px": (3, 3, 3)}, "as many kernel_px as widths"),
        ({"groups": 3}, "groups that divide every width"),
        ({"activation": "swish"}, "relu"),
    ],
)
def test_choices_that_do_not_agree_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        plain(**given)


def test_an_image_that_is_too_small_gets_the_least_size() -> None:
    params = plain(widths=(8, 8, 8), kernel_px=5, padding=0)
    with pytest.raises(UserError, match=r"cnn: got images of 9 × 40 px; allowed at least 29 × 29"):
        cnn.build(params, (9, 40, 1), 3)
    cnn.build(params, (29, 29, 1), 3)
    with pytest.raises(UserError, match="allowed at least 2 × 2 px"):
        airbench.build(airbench.Params(name="airbench"), (1, 1, 1), 3)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_cosine_basis_is_orthonormal(size: int) -> None:
    basis = cosines(size)
    torch.testing.assert_close(basis @ basis.T, torch.eye(size))
    assert torch.allclose(basis[0], torch.full((size,), size**-0.5))


def test_whitened_patches_have_no_correlation_where_neighbours_are_alike() -> None:
    """Images whose patches are exchangeable, as natural ones nearly are, in place and in colour."""
    torch.manual_seed(0)
    shared = torch.randn(1024, 1, 1, 1) + torch.randn(1024, 3, 1, 1)
    images = shared + torch.randn(1024, 3, 5, 5)
    whitening = Whitening(3).train()
    coefficients = whitening(images)[:, :12].detach()
    spread = torch.cov(coefficients.transpose(0, 1).flatten(1))
    assert torch.corrcoef(images.transpose(0, 1).flatten(1)).min() > 0.3
    assert (spread - torch.eye(12)).abs().max() < 0.1


def test_the_fast_network_starts_as_the_identity_and_learns_no_scale() -> None:
    body = airbench.build(airbench.Params(name="airbench"), COLOUR, 10)
    convolutions = [layer for layer in body if isinstance(layer, nn.Conv2d)]
    image = torch.rand(2, 24, 5, 5)
    torch.testing.assert_close(convolutions[0](image)[:, :24], image)
    learned = {name for name, _ in body.named_parameters()}
    norms = [name for name, part in body.named_modules() if isinstance(part, nn.BatchNorm2d)]
    assert len(norms) == 7
    assert not learned & {f"{name}.weight" for name in norms}
    assert learned >= {f"{name}.bias" for name in norms}


def test_the_norms_of_the_fast_network_can_be_made_global() -> None:
    body = airbench.build(airbench.Params(name="airbench"), COLOUR, 10).eval()
    images = torch.rand(2, 3, 32, 32)
    expected = body(images)
    GlobalBatchNorm("cpu").apply(body)
    assert sum(type(part).__name__ == "GlobalBatchNorm2d" for part in body.modules()) == 7
    assert torch.equal(body(images), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_global_mean_is_torchs_and_its_way_back_has_no_layout(
    layout: torch.memory_format,
) -> None:
    found = []
    for pooling in (GlobalMean(), nn.AdaptiveAvgPool2d(1)):
        features = torch.randn(3, 4, 5, 6, generator=torch.manual_seed(0)).to(memory_format=layout)
        active = features.requires_grad_().relu()
        pooled = pooling(active)
        gradients = torch.autograd.grad(pooled.square().sum(), [active, features])
        found.append((pooled, *gradients))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)
    assert found[0][1].stride()[2:] == (0, 0)  # one value a map, whatever the layout
