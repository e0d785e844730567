"""The deployed ensemble, from raw images to calibrated predictions; independent of MLflow."""

import base64
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pipeline.config.prediction import Views
from pipeline.core.artifacts import Card
from pipeline.core.component import Component, load, retuple
from pipeline.core.files import read_json
from pipeline.core.kind import Kind
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.conformal import PredictionSets
from pipeline.ensembling.decisions import Decision
from pipeline.images.bad_image import BadImage
from pipeline.images.decode import SIGNATURES, decode, fit, on_white
from pipeline.models.device import choose_device
from pipeline.prediction.predictor import Predictor

Raw = np.ndarray | bytes | str | Path
PATH_CHARS = 4096  # the longest path that Linux opens


class Ensemble:
    """Members, the combiner, and the card of the data they learned from."""

    def __init__(
        self,
        members: dict[str, Predictor],
        combiner: Combiner,
        card: Card,
        task: str,
        sets: PredictionSets | None,
    ) -> None:
        self._members, self._combiner, self._card = members, combiner, card
        self.sets = sets
        """The rule of prediction sets; None for labels and values."""
        self._task = load("task", Component(name=task))

    @classmethod
    def load(cls, folder: Path) -> "Ensemble":
        combiner = Combiner.load(folder / "combiner.json")
        device = choose_device("auto")
        how = read_json(folder / "prediction.json")
        members = {
            name: Predictor.load(folder / "members" / name, device, Views(**test_time))
            for name, test_time in how["test_time"].items()
        }
        rule = folder / "sets.json"
        sets = PredictionSets(**retuple(read_json(rule))) if rule.is_file() else None
        return cls(members, combiner, Card.load(folder / "card.json"), how["task"], sets)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, labels or values."""
        return self._card.classes

    @property
    def kind(self) -> Kind:
        return self._combiner.prediction_type.kind

    @property
    def decision(self) -> Decision:
        """The decision rule chosen on validation."""
        return self._combiner.decision

    def predictions(self, images: list[Raw]) -> np.ndarray:
        """Return calibrated predictions for each image.

        They are log-probabilities `n k` of classes or `n k 2` of labels (absent, present), or
        values `n t`.

        Raises:
            ValueError: an image cannot be read; the message gives its position in the list.
        """
        pixels = np.stack([self._pixels(image, i) for i, image in enumerate(images)])
        predicted = {
            name: self._task.predictions(member.logits(pixels), *self._card.target_scale)
            for name, member in self._members.items()
        }
        return self._combiner(predicted)

    def _pixels(self, image: Raw, place: int) -> UInt8[np.ndarray, "h w c"]:
        """Decode and resize an image with the code that preprocessing used."""
        shape = self._card.image_shape
        try:
            given = image if isinstance(image, np.ndarray) else decode(as_bytes(image), shape[:2])
            return fit(as_pixels(given), shape, self._card.fit)
        except (BadImage, ValueError) as error:
            raise ValueError(f"image {place}: {error}") from None


def as_bytes(image: bytes | str | Path) -> bytes:
    """Return a file's bytes, given as such, as a path, or as base64 text (from a JSON request).

    Raises:
        ValueError: there is no such file, and the text is not that of an image either.
    """
    if isinstance(image, bytes):
        return image
    if _is_file(image):
        return Path(image).read_bytes()
    try:
        encoded = base64.b64decode(str(image), validate=True)
    except ValueError:
        encoded = b""
    if encoded.startswith(SIGNATURES) or len(encoded) > PATH_CHARS:
        return encoded
    raise ValueError(f"no such file: {str(image)[:80]!r}")  # some names are base64 text too


def _is_file(path: str | Path) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # the text of an image is too long for a name
        return False


def as_pixels(image: np.ndarray) -> UInt8[np.ndarray, "h w c"]:
    """Accept integers 0..255 of any type, as JSON requests contain; lay transparency on white."""
    pixels = image[..., None] if image.ndim == 2 else image
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise ValueError(f"shape {image.shape}; allowed height, width[, 1, 3 or 4]")
    if not pixels.size:
        raise ValueError(f"shape {image.shape}; allowed at least one pixel")
    if pixels.dtype.kind not in "iuf":
        raise ValueError(f"{image.dtype} pixels; allowed whole numbers 0..255")
    if pixels.min() < 0 or pixels.max() > 255 or not np.array_equal(pixels, np.round(pixels)):
        raise ValueError(f"{image.dtype} pixels; allowed whole numbers 0..255")
    whole = np.ascontiguousarray(pixels, np.uint8)
    return on_white(whole) if whole.shape[2] == 4 else whole
