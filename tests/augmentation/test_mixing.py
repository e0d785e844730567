"""MixUp and CutMix: closed forms, and a function of (seed, epoch, batch) alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.augmentation.mixing import Mix, apply, draw

MIXUP = {"mixup_alpha": 1.0, "cutmix_alpha": None, "probability": 1.0}
CUTMIX = {"mixup_alpha": None, "cutmix_alpha": 1.0, "probability": 1.0}
BOTH = {"mixup_alpha": 0.4, "cutmix_alpha": 0.4, "probability": 0.5}


def drawn(mixing: dict[str, Any], batch: int, seed: int = 0, epoch: int = 0) -> Mix:
    mix = draw(mixing, seed, epoch, batch, num=8, height_px=20, width_px=30)
    assert mix
    return mix


def pair(seed: int, num: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (2, num, 20, 30, 3), np.uint8)


@pytest.mark.parametrize("mixing", [MIXUP, CUTMIX])
@given(seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 999), batch=st.integers(0, 999))
def test_a_draw_is_repeated_and_whole(
    mixing: dict[str, Any], seed: int, epoch: int, batch: int
) -> None:
    mix = drawn(mixing, batch, seed, epoch)
    again = drawn(mixing, batch, seed, epoch)
    assert (mix.lam, mix.box) == (again.lam, again.box)
    np.testing.assert_array_equal(mix.partners, again.partners)
    np.testing.assert_array_equal(np.sort(mix.partners), np.arange(8))
    assert 0 <= mix.lam <= 1


@given(share=st.integers(0, 256), seed=st.integers(0, 99))
def test_mixup_rounds_the_weighted_mean(share: int, seed: int) -> None:
    images, partners = pair(seed)
    lam = share / 256
    mixed = apply(images, partners, Mix(np.arange(5), lam, None))
    exact = lam * images.astype(float) + (1 - lam) * partners
    np.testing.assert_array_equal(mixed, np.floor(exact + 0.5))
    assert mixed.dtype == np.uint8


@given(seed=st.integers(0, 999))
def test_cutmix_pastes_a_box_whose_area_is_the_partners_share(seed: int) -> None:
    images, partners = np.zeros((5, 20, 30, 3), np.uint8), np.full((5, 20, 30, 3), 255, np.uint8)
    mix = drawn(CUTMIX, batch=0, seed=seed)
    assert mix.box
    mixed = apply(images, partners, mix)
    assert mixed.mean() / 255 == pytest.approx(1 - mix.lam)
    x_min, y_min, x_max, y_max = mix.box
    assert (mixed[:, y_min:y_max, x_min:x_max] == 255).all()
    assert not images.any()


def test_shares_follow_the_beta_distribution() -> None:
    """Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1))."""
    for alpha in (0.2, 1.0, 4.0):
        lams = [drawn({**MIXUP, "mixup_alpha": alpha}, batch).lam for batch in range(2000)]
        variance = 1 / (4 * (2 * alpha + 1))
        assert np.mean(lams) == pytest.approx(0.5, abs=4 * np.sqrt(variance / 2000))
        assert np.var(lams) == pytest.approx(variance, rel=0.12)


def test_a_batch_is_mixed_with_its_probability_and_either_way_as_often() -> None:
    mixes = [draw(BOTH, 0, 0, batch, 8, 20, 30) for batch in range(2000)]
    mixed = [mix for mix in mixes if mix]
    cut = [mix for mix in mixed if mix.box]
    assert abs(len(mixed) - 1000) < 4 * np.sqrt(2000 / 4)
    assert abs(len(cut) - len(mixed) / 2) < 4 * np.sqrt(len(mixed) / 4)


def test_batches_epochs_and_seeds_differ() -> None:
    mixes = [drawn(MIXUP, *key) for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]]
    assert len({mix.partners.tobytes() for mix in mixes}) == 4
    assert len({mix.lam for mix in mixes}) > 1


@given(seed=st.integers(0, 999), num_devices=st.sampled_from([1, 2, 4]))
def test_devices_together_mix_the_global_batch(seed: int, num_devices: int) -> None:
    """A device needs only its own images and their partners."""
    batch = pair(seed, num=8)[0]
    for mixing in (MIXUP, CUTMIX):
        mix = drawn(mixing, batch=3, seed=seed)
        whole = apply(batch, batch[mix.partners], mix)
        for device in range(num_devices):
            part = slice(device, None, num_devices)
            mine = apply(batch[part], batch[mix.partners[part]], mix)
            np.testing.assert_array_equal(mine, whole[part])
