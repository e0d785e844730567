"""Early stopping on a long tail: by validation as it is, and for predictions of its shares.

    OMP_NUM_THREADS=1 python -m bench.early_stopping [SEEDS [LARGEST [EPOCHS]]] (default: 5 1000 30)

The data, the network and the intervals are those of bench.long_tail, with a patience of 4 epochs
and a rate of 0.005. A recipe for rare classes predicts for other shares than validation has. `as it
is` compares its epochs by the log-loss of these predictions, `corrected` by that of the predictions
for the shares of validation, which is what Convoy does.
"""

import sys
from unittest.mock import patch

import numpy as np
import torch

from bench.fits import fitted
from bench.long_tail import WAYS, interval, read, recalls, recipe, tail
from pipeline.images.packed import Packed
from pipeline.prediction.predictor import predict_logits
from pipeline.training.balance import Balance

STOPPING = {"lr": 0.005, "patience": 4}
COMPARED = (
    "plain",
    "class_weights: effective",
    "sampling: square_root",
    "logit_adjustment: 1.0",
)


def no_offset(balance: Balance, epoch: int) -> np.ndarray:  # noqa: ARG001
    return np.zeros(balance.num_outputs)


def measure(whole: Packed, test: Packed, seed: int, largest: int, epochs: int) -> np.ndarray:
    """Return the balanced accuracy of each way, by validation as it is and corrected."""
    inputs, found = tail(whole, largest, seed), []
    for name in COMPARED:
        wanted = recipe(epochs, **WAYS[name], **STOPPING)
        with patch.object(Balance, "val_offset", no_offset):
            networks = [fitted(wanted, inputs, seed=seed)]
        networks.append(fitted(wanted, inputs, seed=seed))
        logits = [predict_logits(own, test.images, torch.device("cpu")) for own in networks]
        order = np.arange(len(inputs.card.classes))
        found.append([recalls(own, test.targets, order).mean() for own in logits])
        shown = " ".join(f"{accuracy:.1f}" for accuracy in found[-1])
        print(f"seed {seed}  {shown}  {name}", file=sys.stderr, flush=True)
    return np.array(found)


def main(num_seeds: int, largest: int, epochs: int) -> None:
    whole, test = read()
    found = np.stack([measure(whole, test, seed, largest, epochs) for seed in range(num_seeds)])
    plain = found[:, 0, 0]
    print("| training | as it is | less plain | corrected | less plain | corrected less as it is |")
    print("|---|---|---|---|---|---|")
    for name, own in zip(COMPARED, found.transpose(1, 2, 0), strict=True):
        cells = []
        for values in own:
            cells += [interval(values), interval(values - plain, "+")]
        print(f"| {name} | {' | '.join(cells)} | {interval(own[1] - own[0], '+')} |")


if __name__ == "__main__":
    main(*(int(text) for text in (*sys.argv[1:], *("5", "1000", "30")[len(sys.argv) - 1 :])))
