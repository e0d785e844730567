"""Offline copies on their way to training: they stay with their original in every split."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.augmentation.freeze import freeze
from pipeline.augmentation.offline import materialise, num_copies
from pipeline.augmentation.policy import Augmenter
from pipeline.core.artifacts import Card
from pipeline.core.component import make
from pipeline.core.files import write_json
from pipeline.core.paths import Layout
from pipeline.images.packed import Packed
from pipeline.training.datamodule import Inputs

SHAPE = (8, 8, 1)
TARGETS = np.array([0] * 20 + [1] * 8 + [2] * 2)


@pytest.fixture(params=[1, 3], ids=["hold-out", "folds"])
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> Layout:
    """Stored images and copies of the minority, with one fold or three."""
    made, size = Layout(tmp_path), len(TARGETS)
    folds = np.arange(size) % 3 if request.param == 3 else np.where(np.arange(size) % 5, -1, 0)
    images = np.random.default_rng(0).integers(0, 256, (size, *SHAPE), np.uint8)
    packed = Packed(images, TARGETS, np.array([f"image {i}" for i in range(size)]), folds)
    made.trainval.mkdir(parents=True)
    for name, array in packed._asdict().items():
        np.save(made.trainval / f"{name}.npy", array)
    Card(("a", "b", "c"), SHAPE, "crop", request.param, {}, (0.5,), (0.2,), "").save(made.card)
    frozen = freeze(make("policy", "light"), SHAPE, online=True, mixing=None)
    write_json(made.augmentation / "policy.json", frozen)
    train = packed.take(np.flatnonzero((folds < 0) | (request.param > 1)))
    num = num_copies(train.targets, 4, minority_only=True)
    materialise(train, Augmenter(frozen, 0), num, made.augmentation / "copies")
    return made


def test_no_copy_of_a_validated_image_trains(layout: Layout) -> None:
    for fold in range(Card.load(layout.card).num_folds):
        inputs = Inputs.open(layout, fold)
        validated = set(inputs.val.ids.tolist())
        origins = {str(id_).split("#")[0] for id_ in inputs.train.ids}
        assert validated
        assert not validated & origins
        assert len(validated | origins) == len(TARGETS)


def test_copies_bring_small_classes_up_and_carry_their_origins_target(layout: Layout) -> None:
    inputs = Inputs.open(layout)
    counts = np.bincount(inputs.train.targets)
    assert counts[1] > (TARGETS == 1).sum()  # up to what five of each image can give
    target_of = {f"image {i}": target for i, target in enumerate(TARGETS)}
    for id_, target in zip(inputs.train.ids, inputs.train.targets, strict=True):
        assert target == target_of[str(id_).split("#")[0]]
    pixels = {image.tobytes() for image in inputs.train.images[:]}
    assert len(pixels) > 0.9 * len(inputs.train.ids)  # one image in ten is left as it is
