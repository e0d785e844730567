"""The deployed ensemble: raw images in, class names and probabilities out. Knows no MLflow."""

import base64
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from pipeline.artifacts import Card, read_json
from pipeline.component import Component, load
from pipeline.ensembling._combiner import Combiner
from pipeline.images import BadImage, decode, fit
from pipeline.predicting import Member, choose_device

Raw = np.ndarray | bytes | str | Path


class Ensemble:
    """Members, the rule that combines them, and the card of the data they learned from."""

    def __init__(self, members: dict[str, Member], combiner: Combiner, card: Card, task: str):
        self._members, self._combiner, self._card = members, combiner, card
        self._task = load("task", Component(name=task))

    @classmethod
    def load(cls, folder: Path) -> "Ensemble":
        combiner = Combiner.load(folder / "combiner.json")
        device = choose_device("auto")
        members = {
            name: Member.load(folder / "members" / name, device) for name in combiner.members
        }
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
            name: self._task.predictions(member.logits(pixels))
            for name, member in self._members.items()
        }
        probs: np.ndarray = np.exp(self._combiner(log_probs))
        return probs

    def _pixels(self, image: Raw, place: int) -> UInt8[np.ndarray, "h w c"]:
        """As preprocessing made them: decoded and fitted by the same code."""
        shape = self._card.image_shape
        try:
            given = image if isinstance(image, np.ndarray) else decode(_bytes(image), shape[:2])
            return fit(_as_pixels(given), shape, self._card.fit)
        except (BadImage, ValueError) as error:
            raise ValueError(f"image {place}: {error}") from None


def _bytes(image: bytes | str | Path) -> bytes:
    """A file's bytes, a path, or (from a JSON request) base64 of a file's bytes."""
    if isinstance(image, bytes):
        return image
    if Path(image).is_file():
        return Path(image).read_bytes()
    try:
        return base64.b64decode(str(image), validate=True)
    except ValueError:
        raise ValueError(f"no such file: {str(image)[:80]!r}") from None


def _as_pixels(image: np.ndarray) -> UInt8[np.ndarray, "h w c"]:
    """Whole numbers 0..255 of any type, as JSON requests bring them; transparency is ignored."""
    pixels = image[..., None] if image.ndim == 2 else image
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise ValueError(f"shape {image.shape}; allowed height, width[, 1, 3 or 4]")
    if pixels.min() < 0 or pixels.max() > 255 or not np.array_equal(pixels, np.round(pixels)):
        raise ValueError(f"{image.dtype} pixels; allowed whole numbers 0..255")
    return np.ascontiguousarray(pixels[..., :3] if pixels.shape[2] == 4 else pixels, np.uint8)
