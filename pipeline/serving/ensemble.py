"""The deployed ensemble, from images to calibrated predictions; independent of MLflow."""

from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pipeline.config.hardware import Hardware
from pipeline.config.prediction import Views
from pipeline.core.artifacts import Card
from pipeline.core.component import Component, load
from pipeline.core.errors import UserError
from pipeline.core.kind import Kind
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.conformal import PredictionSets
from pipeline.ensembling.decisions import Decision
from pipeline.images.bad_image import BadImage
from pipeline.images.decode import MAX_PIXELS, fit
from pipeline.models.device import choose_device
from pipeline.prediction.predictor import Predictor
from pipeline.serving.inputs import pixels_of
from pipeline.serving.layout import settings
from pipeline.serving.table import Answers, Columns, tabulate


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
        self.members, self._combiner, self._card = members, combiner, card
        self.sets = sets
        """The rule of prediction sets; None for labels and values."""
        self.max_pixels = MAX_PIXELS
        """The most pixels that an image may have."""
        self._task = load("task", Component(name=task))
        self._turn = Lock()  # one batch computes while the images of the next are decoded

    @classmethod
    def load(cls, folder: Path) -> "Ensemble":
        """Load what `pipeline.serving.package` wrote.

        Raises:
            UserError: it is not there, or another version of Convoy wrote it.
        """
        how = settings(folder)
        try:
            return cls._load(folder, how)
        except Exception as error:  # a damaged file makes the readers raise nearly anything
            what = f"cannot be read, {type(error).__name__}: {error}"
            raise UserError(f"{folder}: {what}; package it again: dvc repro package") from error

    @classmethod
    def _load(cls, folder: Path, how: dict[str, Any]) -> "Ensemble":
        device, hardware = choose_device("auto"), Hardware(**how["hardware"])
        members = {}
        for name, test_time in how["test_time"].items():
            members[name] = Predictor.load(folder / "members" / name, device, Views(**test_time))
            members[name].arrange(hardware)
        rule = folder / "sets.json"
        sets = PredictionSets.load(rule) if rule.is_file() else None
        combiner, card = Combiner.load(folder / "combiner.json"), Card.load(folder / "card.json")
        return cls(members, combiner, card, how["task"], sets)

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

    def __call__(self, images: Iterable[object]) -> Answers:
        """Predict a batch of any size; an image that cannot be read is an error of its own.

        Args:
            images: see pipeline.serving.inputs.
        """
        found = [self._pixels(image) for image in images]
        pixels = [one for one in found if not isinstance(one, str)]
        errors = [one if isinstance(one, str) else None for one in found]
        return Answers(self._predictions(np.stack(pixels)) if pixels else np.empty(0), errors)

    def table(self, images: Iterable[object]) -> Columns:
        """Predict a batch; return columns, see pipeline.serving.table."""
        return tabulate(self(images), self.kind, self.names, self.decision, self.sets)

    def _predictions(self, pixels: UInt8[np.ndarray, "n h w c"]) -> np.ndarray:
        with self._turn:
            logits = {name: member.logits(pixels) for name, member in self.members.items()}
        scale = self._card.target_scale
        return self._combiner({m: self._task.predictions(z, *scale) for m, z in logits.items()})

    def _pixels(self, image: object) -> UInt8[np.ndarray, "h w c"] | str:
        """Decode and resize an image with the code that preprocessing used, or say why not."""
        shape = self._card.image_shape
        try:
            return fit(pixels_of(image, shape[:2], self.max_pixels), shape, self._card.fit)
        except BadImage as error:
            return str(error)
