"""Where a network looked, and attacks on it, for networks whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.inspection.explain import Goal, attack, grad_cam
from pipeline.models.network import Network

SHAPE = (8, 8, 1)
ONE = np.array([1])


class Corner(nn.Module):
    """Speaks for output 0 as the upper left is light, for 1 as the lower right is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        nn.init.ones_(self.conv.weight)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        maps = torch.relu(self.conv(pixels))
        return torch.stack([maps[:, 0, :4, :4].sum((1, 2)), maps[:, 1, 4:, 4:].sum((1, 2))], dim=1)


class Linear(nn.Module):
    """Without a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(64, 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(pixels.flatten(1))


def network(body: nn.Module) -> Network:
    return Network(body, SHAPE, 2).eval()


def test_the_map_lights_what_is_light_in_the_corner_that_counts() -> None:
    images = np.zeros((2, *SHAPE), np.uint8)
    images[:, 1, 2] = 200
    images[:, 6, 6] = 200
    maps = grad_cam(network(Corner()), images, np.array([0, 1]), np.array([1, 1]))
    assert maps is not None
    assert maps.shape == (2, 8, 8)
    for found in maps:
        assert found.max() == pytest.approx(1)
        assert sorted(map(tuple, np.argwhere(found > 0.5))) == [(1, 2), (6, 6)]


def test_the_map_of_a_network_in_bf16_is_the_same() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *SHAPE), np.uint8)
    plain, halved = network(Corner()), network(Corner())
    halved.arithmetic = halved.arithmetic._replace(precision="bf16")
    maps = [grad_cam(n, images, np.zeros(3, int), np.ones(3, int)) for n in (plain, halved)]
    np.testing.assert_allclose(maps[1], maps[0], atol=0.02)


def test_what_speaks_against_an_output_is_found_with_the_other_sign() -> None:
    body = Corner()
    nn.init.constant_(body.conv.weight, -1)
    body.conv.bias = nn.Parameter(torch.full((2,), 2.0))  # dark is high now
    images = np.zeros((1, *SHAPE), np.uint8)
    images[0, 1, 2] = 255
    maps = grad_cam(network(body), images, np.array([0]), np.array([-1]))
    assert maps is not None
    assert maps.max() == 0  # all that is there speaks for it


def test_a_network_without_a_map_has_none() -> None:
    assert grad_cam(network(Linear()), np.zeros((1, *SHAPE), np.uint8), ONE, ONE) is None


CROSS_ENTROPY = nn.CrossEntropyLoss(reduction="none")


@pytest.mark.parametrize("step", [5, 25])
def test_fgsm_on_a_linear_network_is_its_sign(step: int) -> None:
    linear = Linear()
    images, targets = np.full((3, *SHAPE), 128, np.uint8), torch.tensor([0, 1, 0])
    goal = Goal(CROSS_ENTROPY, targets)
    moved = attack(network(linear), images, goal, "fgsm", step / 255)
    away = (linear.head.weight[1 - targets] - linear.head.weight[targets]).sign().view(3, 8, 8, 1)
    np.testing.assert_array_equal(moved, 128 + step * away.detach().int().numpy())


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_an_attack_stays_near_and_hurts(method: str) -> None:
    torch.manual_seed(0)
    attacked = network(
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 2))
    )
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, *SHAPE), np.uint8)
    goal = Goal(CROSS_ENTROPY, torch.from_numpy(rng.integers(0, 2, 20)))
    moved = attack(attacked, images, goal, method, 25 / 255)
    assert np.abs(moved.astype(int) - images).max() == 25
    before, after = (
        CROSS_ENTROPY(attacked(torch.from_numpy(seen)), goal.targets).mean()
        for seen in (images, moved)
    )
    assert after > before + 0.05
    np.testing.assert_array_equal(moved, attack(attacked, images, goal, method, 25 / 255))
