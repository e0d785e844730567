"""The deployed ensemble: raw images in, class names and probabilities out. Knows no MLflow."""

import base64
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pipeline.artifacts import Card, read_json
from pipeline.component import Component, load
from pipeline.ensembling._combiner import Combiner
from pipeline.network import Network, choose_device, predict_logits

Raw = np.ndarray | bytes | str | Path


class Ensemble:
    """Networks, the rule that combines them, and the card of the data they learned from."""

    def __init__(self, members: dict[str, Network], combiner: Combiner, card: Card, task: str):
        self._members, self._combiner, self._card = members, combiner, card
        self._task = load("task", Component(name=task))
        self._device = choose_device("auto")

    @classmethod
    def load(cls, folder: Path) -> "Ensemble":
        combiner = Combiner.load(folder / "combiner.json")
        members = {name: Network.load(folder / "members" / name) for name in combiner.members}
        task = read_json(folder / "task.json")["name"]
        return cls(members, combiner, Card.load(folder / "card.json"), task)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._card.classes

    def probs(self, images: list[Raw]) -> Float[np.ndarray, "n k"]:
        """Probabilities of every class for each image, in float64.

        Raises:
            ValueError: an image cannot be read; it names its place in the list.
        """
        pixels = np.stack([self._pixels(image, i) for i, image in enumerate(images)])
        log_probs = {
            name: self._task.log_probs(predict_logits(network, pixels, self._device, "fp32"))
            for name, network in self._members.items()
        }
        probs: np.ndarray = np.exp(self._combiner(log_probs))
        return probs

    def _pixels(self, image: Raw, place: int) -> UInt8[np.ndarray, "h w c"]:
        height_px, width_px, channels = self._card.image_shape
        decoded = image if isinstance(image, np.ndarray) else _decode(image, place)
        if decoded.dtype != np.uint8:
            decoded = _as_bytes(decoded, place)
        if decoded.ndim == 2:
            decoded = decoded[..., None]
        decoded = _with_channels(decoded, channels, place)
        if decoded.shape[:2] != (height_px, width_px):
            decoded = cv2.resize(decoded, (width_px, height_px), interpolation=cv2.INTER_AREA)
        return decoded.reshape(height_px, width_px, channels)


def _decode(image: bytes | str | Path, place: int) -> np.ndarray:
    """A file's bytes, a path, or (from a JSON request) base64 of a file's bytes."""
    if isinstance(image, bytes):
        raw = image
    elif Path(image).is_file():
        raw = Path(image).read_bytes()
    else:
        try:
            raw = base64.b64decode(str(image), validate=True)
        except ValueError:
            raise ValueError(f"image {place}: no such file: {str(image)[:80]!r}") from None
    decoded = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED) if raw else None
    if decoded is None:
        raise ValueError(f"image {place}: {len(raw)} bytes that are no image OpenCV can read")
    flipped = decoded[..., [2, 1, 0, *range(3, decoded.shape[2])]] if decoded.ndim == 3 else decoded
    return np.ascontiguousarray(flipped)  # OpenCV reads blue first


def _as_bytes(image: np.ndarray, place: int) -> np.ndarray:
    """Whole numbers 0..255 of another type, as JSON requests bring them."""
    if image.min() < 0 or image.max() > 255 or not np.array_equal(image, np.round(image)):
        raise ValueError(f"image {place}: {image.dtype} pixels; allowed whole numbers 0..255")
    return image.astype(np.uint8)


def _with_channels(image: np.ndarray, channels: int, place: int) -> np.ndarray:
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise ValueError(f"image {place}: shape {image.shape}; allowed height, width[, 1, 3 or 4]")
    if image.shape[2] == 4:
        image = image[..., :3]
    if image.shape[2] == channels:
        return image
    conversion = cv2.COLOR_RGB2GRAY if channels == 1 else cv2.COLOR_GRAY2RGB
    return np.atleast_3d(cv2.cvtColor(image, conversion))
