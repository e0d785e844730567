"""Each loss against its formula or a reference."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import huber, log_expit, log_softmax, softmax
from sklearn.metrics import hinge_loss, mean_absolute_error, mean_squared_error
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from pipeline.losses.shared.adjusted import adjusted
from tests.losses.test_losses import WEIGHTS, build, sample

SEEDS = st.integers(0, 10_000)
SHARES = st.sampled_from([0.0, 0.1, 0.5])


@given(SEEDS, SHARES)
def test_cross_entropy_is_its_formula(seed: int, smoothing: float) -> None:
    logits, targets = sample("cross_entropy", "classes", seed)
    wanted = smoothing / 4 + (1 - smoothing) * np.eye(4)[targets]
    expected = -(wanted * log_softmax(logits.numpy(), axis=1)).sum(axis=1)
    loss = build("cross_entropy", label_smoothing=smoothing)
    assert float(loss(logits, targets)) == pytest.approx(expected.mean())
    weighted = build("cross_entropy", WEIGHTS, label_smoothing=smoothing)
    by_sample = WEIGHTS.numpy()[targets]
    assert float(weighted(logits, targets)) == pytest.approx((expected * by_sample).mean())


@given(SEEDS, SHARES)
def test_soft_targets_mix_the_losses_of_hard_ones(seed: int, smoothing: float) -> None:
    """The cross-entropy is linear in its targets; so are the weights of the samples."""
    logits, targets = sample("cross_entropy", "classes", seed)
    one_hot, others = functional.one_hot(targets, 4).double(), targets.flip(0)
    plain = build("cross_entropy", label_smoothing=smoothing)
    mixed = plain(logits, 0.3 * one_hot + 0.7 * one_hot.flip(0))
    expected = 0.3 * plain(logits, targets) + 0.7 * plain(logits, others)
    torch.testing.assert_close(mixed, expected)
    weighted = build("cross_entropy", WEIGHTS, label_smoothing=smoothing)
    torch.testing.assert_close(weighted(logits, one_hot), weighted(logits, targets))


def test_half_of_two_classes_weighs_their_mean() -> None:
    halves = torch.tensor([[0.5, 0.5, 0.0, 0.0]])
    loss = build("cross_entropy", WEIGHTS)(torch.zeros(1, 4), halves)
    assert float(loss) == pytest.approx(np.log(4) * (0.5 + 2.0) / 2)


@given(SEEDS, SHARES)
def test_binary_cross_entropy_is_its_formula(seed: int, smoothing: float) -> None:
    logits, targets = sample("binary_cross_entropy", "labels", seed)
    wanted = np.where(targets, 1 - smoothing / 2, smoothing / 2)
    z = logits.numpy()
    expected = -(wanted * log_expit(z) + (1 - wanted) * log_expit(-z))
    loss = build("binary_cross_entropy", label_smoothing=smoothing)
    assert float(loss(logits, targets)) == pytest.approx(expected.mean())
    weighted = build("binary_cross_entropy", WEIGHTS, label_smoothing=smoothing)
    assert float(weighted(logits, targets)) == pytest.approx((expected * WEIGHTS.numpy()).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, WEIGHTS[:2]])
def test_one_logit_for_two_classes_is_the_softmax_with_a_logit_of_zero(smoothing, weights) -> None:
    logits, targets = sample("binary_cross_entropy", "classes")
    one = build("binary_cross_entropy", weights, label_smoothing=smoothing)
    two = build("cross_entropy", weights, label_smoothing=smoothing)
    both = torch.cat([torch.zeros_like(logits), logits], dim=1)
    torch.testing.assert_close(one(logits, targets), two(both, targets))


@given(SEEDS, st.sampled_from([0.5, 1.0, 2.0]))
def test_logit_adjusted_cross_entropy_is_menons_equation_10(seed: int, tau: float) -> None:
    logits, targets = sample("cross_entropy", "classes", seed)
    shares, f = np.array([0.7, 0.2, 0.09, 0.01]), logits.numpy()
    expected = [
        np.log1p(
            sum(
                (shares[other] / shares[y]) ** tau * np.exp(f[i, other] - f[i, y])
                for other in range(4)
                if other != y
            )
        )
        for i, y in enumerate(targets.tolist())
    ]
    loss = adjusted(build("cross_entropy"), torch.from_numpy(tau * np.log(shares)))
    assert float(loss(logits, targets)) == pytest.approx(np.mean(expected))


@given(SEEDS, st.sampled_from([0.0, 0.5, 2.0, 5.0]))
def test_focal_loss_is_its_formula(seed: int, gamma: float) -> None:
    logits, targets = sample("focal", "classes", seed)
    p = softmax(logits.numpy(), axis=1)[np.arange(8), targets]
    expected = -((1 - p) ** gamma) * np.log(p)
    assert float(build("focal", gamma=gamma)(logits, targets)) == pytest.approx(expected.mean())
    weighted = build("focal", WEIGHTS, gamma=gamma)
    by_class = WEIGHTS.numpy()[targets]
    assert float(weighted(logits, targets)) == pytest.approx((expected * by_class).mean())


@given(SEEDS, st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([None, 0.25]))
def test_sigmoid_focal_loss_is_torchvisions(seed: int, gamma: float, alpha: float | None) -> None:
    logits, targets = sample("sigmoid_focal", "labels", seed)
    expected = sigmoid_focal_loss(
        logits, targets.double(), alpha=-1 if alpha is None else alpha, gamma=gamma
    )
    loss = build("sigmoid_focal", gamma=gamma, alpha=alpha)
    torch.testing.assert_close(loss(logits, targets), expected.mean())


@pytest.mark.parametrize("name", ["focal", "sigmoid_focal"])
def test_a_gamma_below_one_learns_from_what_is_all_but_sure(name: str) -> None:
    """(1 − p)^½ has an infinite slope at p = 1, where the loss has none."""
    logits = torch.tensor([[200.0, 0.0]] if name == "focal" else [[200.0]], requires_grad=True)
    targets = torch.tensor([0 if name == "focal" else 1])
    build(name, gamma=0.5)(logits, targets).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-30


@given(SEEDS)
def test_hinge_losses_are_scikit_learns_and_torchs(seed: int) -> None:
    logits, targets = sample("hinge", "classes", seed)
    crammer_singer = build("hinge", form="crammer_singer")(logits, targets)
    labels = [0, 1, 2, 3]
    assert float(crammer_singer) == pytest.approx(hinge_loss(targets, logits, labels=labels))
    for power in (1, 2):
        watkins = build("hinge", form="weston_watkins", margin=0.7, power=power)
        expected = functional.multi_margin_loss(logits, targets, p=power, margin=0.7)
        torch.testing.assert_close(watkins(logits, targets), 4 * expected)  # torch's is over k


def test_crammer_singers_hinge_has_a_margin_and_a_power() -> None:
    logits, targets = torch.tensor([[3.0, 1.0, 2.5]]), torch.tensor([0])
    settings = {"margin": 2.0, "power": 2}
    assert float(build("hinge", **settings)(logits, targets)) == pytest.approx((2 + 2.5 - 3) ** 2)
    assert float(build("hinge", margin=0.5)(logits, targets)) == 0


@given(SEEDS, st.sampled_from([0.1, 1.0, 3.0]))
def test_losses_of_values_are_scikit_learns_and_scipys(seed: int, delta: float) -> None:
    logits, targets = sample("mse", "values", seed)
    measured = {name: float(build(name)(logits, targets)) for name in ("mse", "mae")}
    measured["huber"] = float(build("huber", delta=delta)(logits, targets))
    assert measured == pytest.approx(
        {
            "mse": mean_squared_error(targets, logits),
            "mae": mean_absolute_error(targets, logits),
            "huber": huber(delta, (logits - targets).numpy()).mean(),
        }
    )
