"""Balanced accuracy of the ways to treat rare classes, on a long-tailed Fashion-MNIST.

    OMP_NUM_THREADS=1 python -m bench.long_tail [SEEDS [LARGEST [EPOCHS]]]    (default: 5 1000 15)

The classes, in an order that the seed draws, have from LARGEST down to a hundredth of it images, in
geometric progression; a fifth of each is for validation. The test images are the source's own,
equally many of each class. All ways train the same network on the same images for the same number
of epochs, and keep the epoch that is best on validation. The table gives the mean over the seeds
with a 95 % interval by Student's t, and the difference from `plain` paired by seed. Fashion-MNIST
is read from data/raw/fashion-mnist.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from scipy.special import log_softmax

from bench.fits import fitted
from pipeline.augmentation.freeze import freeze
from pipeline.config.recipes import Recipe
from pipeline.core.artifacts import Card
from pipeline.core.component import load, make
from pipeline.ensembling import class_shares
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.folds import folds
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.ensembling.truth import Truth
from pipeline.images.packed import Packed
from pipeline.prediction.predictor import predict_logits
from pipeline.preprocessing.sources import idx
from pipeline.training.balance import resampled
from pipeline.training.datamodule import Inputs

FOLDER = Path("data/raw/fashion-mnist")
NUM_CLASSES, RATIO, VAL_FRACTION = 10, 100, 0.2
SHAPE = (28, 28, 1)
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "class_weights: inverse": {"class_weights": "inverse"},
    "class_weights: effective": {"class_weights": "effective"},
    "class_weights: inverse_sqrt": {"class_weights": "inverse_sqrt"},
    "class_weights: effective, class_weights_start: 0.8": {
        "class_weights": "effective",
        "class_weights_start": 0.8,
    },
    "sampling: square_root": {"sampling": "square_root"},
    "sampling: balanced": {"sampling": "balanced"},
    "sampling: square_root, resampling: under": {
        "sampling": "square_root",
        "resampling": "under",
    },
    "sampling: balanced, resampling: under": {"sampling": "balanced", "resampling": "under"},
    "logit_adjustment: 1.0": {"logit_adjustment": 1.0},
    "logit_adjustment: 1.0, sampling: square_root": {
        "logit_adjustment": 1.0,
        "sampling": "square_root",
    },
}
HEADING = (
    "| training | images an epoch | balanced accuracy | difference from plain | 3 commonest "
    "| 3 rarest |"
)
POST_HOC = "plain, less the log of each class's share in prediction"
CALIBRATED = ("plain", "logit_adjustment: 1.0")
"""The ways whose predictions are also calibrated on validation, for classes that are as common."""


def sizes(largest: int) -> np.ndarray:
    """Return the images of each class, from the commonest to the rarest."""
    exact = largest * RATIO ** -np.linspace(0, 1, NUM_CLASSES)
    return np.round(exact).astype(int)


def tail(whole: Packed, largest: int, seed: int) -> Inputs:
    """Draw a long tail from the training images, and divide it into train and validation."""
    rng = np.random.default_rng(seed)
    train, val = [], []
    for label, size in zip(rng.permutation(NUM_CLASSES), sizes(largest), strict=True):
        rows = rng.permutation(np.flatnonzero(whole.targets == label))[:size]
        num_val = max(1, round(size * VAL_FRACTION))
        val.append(rows[:num_val])
        train.append(rows[num_val:])
    own = whole.take(np.concatenate(train))
    pixels = own.images[:] / 255
    names = tuple(f"{k}" for k in range(NUM_CLASSES))
    card = Card(names, SHAPE, "crop", 1, {}, (float(pixels.mean()),), (float(pixels.std()),), "")
    policy = freeze(make("policy", "crop_flip", pad_px=2), SHAPE, online=True, mixing=None)
    return Inputs(card, own, whole.take(np.concatenate(val)), policy)


def recipe(epochs: int, **training: Any) -> Recipe:
    return Recipe(
        model=make("model", "cnn", widths=(16, 32), stride=2, head="flatten"),
        loss=make("loss", "cross_entropy"),
        training={"epochs": epochs, "batch_size": 64, "lr": 0.002, **training},
    )


def recalls(logits: np.ndarray, targets: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the share of each class that is predicted as such, in percent and in this order."""
    right = logits.argmax(axis=1) == targets
    return np.array([100 * right[targets == label].mean() for label in order])


def measure(whole: Packed, test: Packed, seed: int, largest: int, epochs: int) -> dict[str, Any]:
    """Return the recalls of each way, from the commonest class to the rarest."""
    inputs, found = tail(whole, largest, seed), {}
    counts = np.bincount(inputs.train.targets, minlength=NUM_CLASSES)
    order = np.argsort(-counts)
    for name, way in WAYS.items():
        network = fitted(recipe(epochs, **way), inputs, seed=seed)
        logits = predict_logits(network, test.images, torch.device("cpu"))
        found[name] = recalls(logits, test.targets, order)
        if name == "plain":
            found[POST_HOC] = recalls(logits - np.log(counts), test.targets, order)
        if name in CALIBRATED:
            val = predict_logits(network, inputs.val.images, torch.device("cpu"))
            for title, made in calibrated(val, inputs.val.targets, logits):
                found[f"{name}; {title}"] = recalls(made, test.targets, order)
        print(f"seed {seed}  {found[name].mean():.1f}  {name}", file=sys.stderr, flush=True)
    return found


def calibrated(
    val: np.ndarray, targets: np.ndarray, test: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the predictions of test under `class_shares: uniform`, by each calibrator."""
    names = [f"{k}" for k in range(NUM_CLASSES)]
    own = class_shares.weights("uniform", names, targets, "validation")
    truth, log_probs = Truth(targets, np.arange(len(targets)), own), log_softmax(val, axis=1)
    listed = [make("calibrator", name) for name in ("temperature", "vector", "prior_shift")]
    for calibrator in listed:
        module = load("calibrator", calibrator)
        state = module.fit(calibrator, log_probs, truth)
        yield f"class_shares: uniform, {calibrator.name}", module.apply(state, log_softmax(test, 1))
    known = Validation(
        PredictionType("classes"), truth, folds(truth.units, 5, 0), listed, lambda _: None
    )
    system = fit(make("method", "best"), ["a"], log_probs[None], known).combiner
    yield "class_shares: uniform, as chosen", system({"a": log_softmax(test, axis=1)})


def read() -> tuple[Packed, Packed]:
    """Return the source's training and test images."""
    listing = idx.load(make("source", "idx", classes=None), FOLDER, "classes")
    given = np.array(listing.given)
    images = np.stack([listing.read(row) for row in range(len(given))]).reshape(-1, *SHAPE)
    whole = Packed(images, listing.targets, np.array(listing.ids), np.full(len(given), -1))
    is_test = given == "test"
    return whole.take(np.flatnonzero(~is_test)), whole.take(np.flatnonzero(is_test))


def interval(values: np.ndarray, sign: str = "") -> str:
    """Format the mean over the seeds and its 95 % interval."""
    mean, error = values.mean(), stats.sem(values)
    half = error * stats.t.ppf(0.975, len(values) - 1)
    return f"{mean:{sign}.1f} ± {half:.1f}"


def images_of_an_epoch(way: dict[str, Any], largest: int) -> int:
    train = sizes(largest) - np.maximum(1, np.round(VAL_FRACTION * sizes(largest)).astype(int))
    return int(
        resampled(train, way.get("sampling", "natural"), way.get("resampling", "over")).sum()
    )


def main(num_seeds: int, largest: int, epochs: int) -> None:
    whole, test = read()
    found = [measure(whole, test, seed, largest, epochs) for seed in range(num_seeds)]
    print(HEADING, "|---|---|---|---|---|---|", sep="\n")
    for name in found[0]:
        own = np.stack([each[name] for each in found])
        less = own.mean(axis=1) - np.array([each["plain"].mean() for each in found])
        num = images_of_an_epoch(WAYS.get(name, {}), largest)
        difference = "" if name == "plain" else interval(less, "+")
        print(
            f"| {name} | {num:,} | {interval(own.mean(axis=1))} | {difference} "
            f"| {own[:, :3].mean():.1f} | {own[:, -3:].mean():.1f} |"
        )


if __name__ == "__main__":
    main(*(int(text) for text in (*sys.argv[1:], *("5", "1000", "15")[len(sys.argv) - 1 :])))
