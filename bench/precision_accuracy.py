"""Test accuracy of networks trained in fp32 and with the precision of `auto`, paired by seed.

    python -m bench.precision_accuracy [SEEDS [IMAGES [EPOCHS]]]

Run `dvc repro augment` on examples/fashion_mnist first. For each seed the plain network is trained
both ways on the first IMAGES images, and predicts the test images in the precision of its training.
It prints all pairs and the mean difference in percentage points of accuracy, with its 95 % interval
by Student's t.
"""

import sys
from dataclasses import replace

import numpy as np
import torch
from scipy import stats

from bench.fits import fitted
from pipeline.config.hardware import Hardware
from pipeline.config.recipes import Recipe
from pipeline.core.component import make
from pipeline.core.paths import Layout
from pipeline.images.packed import Packed
from pipeline.prediction.predictor import predict_logits
from pipeline.training.datamodule import Inputs

FP32 = Hardware(accelerator="cpu", precision="fp32", memory_format="contiguous")
AUTO = Hardware(accelerator="cpu")


def accuracy(hardware: Hardware, seed: int, epochs: int, inputs: Inputs, test: Packed) -> float:
    """Return the accuracy in percent."""
    recipe = Recipe(
        model=make("model", "cnn", head="flatten", dropout=0.2),
        loss=make("loss", "cross_entropy"),
        training={"epochs": epochs, "batch_size": 64, "lr": 0.002},
    )
    network = fitted(recipe, inputs, seed=seed, hardware=hardware)
    logits = predict_logits(network, test.images, torch.device("cpu"))
    return 100 * float(np.mean(logits.argmax(axis=1) == test.targets))


def main(num_seeds: int, num_images: int, epochs: int) -> None:
    layout = Layout()
    inputs, test = Inputs.open(layout), Packed.open(layout.test)
    inputs = replace(inputs, train=inputs.train.take(np.arange(num_images)))
    differences = []
    for seed in range(num_seeds):
        fp32, auto = (accuracy(way, seed, epochs, inputs, test) for way in (FP32, AUTO))
        differences.append(auto - fp32)
        print(f"seed {seed}  fp32 {fp32:.2f}  auto {auto:.2f}  {auto - fp32:+.2f}", flush=True)
    mean, error = np.mean(differences), stats.sem(differences)
    low, high = stats.t.interval(0.95, num_seeds - 1, mean, error)
    print(f"mean difference {mean:+.2f} points [{low:+.2f}, {high:+.2f}]")


if __name__ == "__main__":
    main(*(int(text) for text in (*sys.argv[1:], *("5", "20000", "4")[len(sys.argv) - 1 :])))
