"""Test-time augmentation, compared with means computed by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.config.prediction import Views
from pipeline.models.network import Network
from pipeline.prediction.predictor import predict_logits
from pipeline.prediction.views import num_views, views

CPU = torch.device("cpu")
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), np.uint8)


class Weighing(nn.Module):
    """Weighs each pixel by its position."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("by_place", torch.linspace(-1, 1, 6 * 4 * 3).view(3, 6, 4))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return (pixels * self.by_place).sum((1, 2, 3))[:, None]


def logits(images: np.ndarray, **test_time: bool | int) -> np.ndarray:
    network = Network(Weighing(), (6, 4, 3), 1)
    return predict_logits(network, images, CPU, Views(**test_time), batch_size=2)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("shift_px", [0, 1, 9])
def test_there_are_as_many_views_as_it_says(mirror: bool, shift_px: int) -> None:
    settings = Views(mirror=mirror, shift_px=shift_px)
    made = views(torch.from_numpy(IMAGES), settings)
    assert len(made) == num_views(settings)
    np.testing.assert_array_equal(made[0].numpy(), IMAGES)
    assert all(view.shape == made[0].shape and view.dtype == torch.uint8 for view in made)


def test_mirrored_logits_are_the_mean_of_both() -> None:
    expected = (logits(IMAGES) + logits(IMAGES[:, :, ::-1].copy())) / 2
    np.testing.assert_allclose(logits(IMAGES, mirror=True), expected, atol=1e-5)


def test_shifted_logits_are_the_mean_over_the_four_sides() -> None:
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    places = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]
    parts = [logits(padded[:, r : r + 6, c : c + 4].copy()) for r, c in places]
    np.testing.assert_allclose(logits(IMAGES, shift_px=1), np.mean(parts, axis=0), atol=1e-5)


def test_what_looks_the_same_from_all_sides_keeps_its_logits() -> None:
    even = np.full_like(IMAGES, 77)
    np.testing.assert_allclose(logits(even, mirror=True, shift_px=2), logits(even), atol=1e-5)
