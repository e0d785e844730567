"""Predict logits of stored or given images, with the networks of one member."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from pipeline.config.hardware import Hardware
from pipeline.config.prediction import Views
from pipeline.core.artifacts import Predictions
from pipeline.core.errors import UserError
from pipeline.images.packed import Images, Packed
from pipeline.models.network import Network
from pipeline.models.precision import Arithmetic, choose
from pipeline.prediction.views import views

ONCE = Views()
BATCH_SIZE = 256


class Predictor:
    """The networks of one member, one per fold: a single one if validation is held out."""

    def __init__(
        self, networks: list[Network], device: torch.device, test_time: Views = ONCE
    ) -> None:
        self.networks, self.test_time, self._device = networks, test_time, device

    @classmethod
    def load(cls, folder: Path, device: torch.device, test_time: Views) -> "Predictor":
        """Load the networks; raise UserError if there is none."""
        folds = sorted(folder.glob("fold_*"), key=lambda path: int(path.name.split("_")[1]))
        if not folds:
            raise UserError(f"{folder}: contains no fold_0; run `dvc repro train@{folder.name}`")
        return cls([Network.load(fold) for fold in folds], device, test_time)

    def arrange(self, hardware: Hardware) -> Arithmetic:
        """Compute as `hardware` says; all folds share an architecture, so they compute alike."""
        arithmetic = choose(hardware, self._device, self.networks[0])
        for network in self.networks:
            network.arrange(arithmetic)
        return arithmetic

    def logits(self, images: Images) -> Float[np.ndarray, "n k"]:
        """Predict images that no network trained on: the mean over the networks, in float32."""
        parts = [self._of(network, images) for network in self.networks]
        mean: np.ndarray = np.mean(parts, axis=0)
        return mean

    def validate(self, trainval: Packed) -> Predictions:
        """Let each network predict the fold it did not train on; keep the stored order.

        Folds without a network are left out: a student has one, for the first.
        """
        folds = trainval.folds
        held = trainval.take(np.flatnonzero((folds >= 0) & (folds < len(self.networks))))
        logits = np.empty((len(held.ids), self.networks[0].num_outputs), np.float32)
        for fold, network in enumerate(self.networks):
            rows = np.flatnonzero(held.folds == fold)
            logits[rows] = self._of(network, held.take(rows).images)
        return Predictions(held.ids, logits, held.targets)

    def _of(self, network: Network, images: Images) -> Float[np.ndarray, "n k"]:
        return predict_logits(network, images, self._device, self.test_time)


@torch.inference_mode()
def predict_logits(
    network: Network,
    images: Images,
    device: torch.device,
    test_time: Views = ONCE,
    batch_size: int = BATCH_SIZE,
) -> Float[np.ndarray, "n k"]:
    """Return the logits of every image, in order, in float32: the mean over its views."""
    network = network.to(device).eval()
    parts = []
    for start in range(0, len(images), batch_size):
        batch = torch.from_numpy(np.array(images[start : start + batch_size])).to(device)
        seen = [network(view) for view in views(batch, test_time)]
        parts.append(torch.stack(seen).mean(dim=0).cpu().numpy())
    return np.concatenate(parts)
