"""Freeze the augmentation policy, make the offline copies, and preview the augmented images."""

import numpy as np

from pipeline.augmentation import statistics
from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.freeze import freeze
from pipeline.augmentation.offline import materialise, num_copies
from pipeline.augmentation.policy import Augmenter
from pipeline.augmentation.preview import preview, save_png
from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.artifacts import Card
from pipeline.core.files import write_json
from pipeline.core.stage import Stage, run
from pipeline.images.packed import Packed


def main(stage: Stage[Params]) -> None:
    settings, card = stage.params.augmentation, Card.load(stage.inputs.card)
    folder = stage.outputs.augmentation
    mixing = settings.mixing.model_dump() if settings.mixing else None
    frozen = freeze(settings.policy, card.image_shape, online=settings.online, mixing=mixing)
    write_json(folder / "policy.json", frozen)

    policy = freeze(settings.policy, card.image_shape, online=True, mixing=None)
    augmenter, train = Augmenter(policy, seed=0), _train(stage, card)
    num = np.zeros(len(train.ids), np.int64)
    if settings.offline:
        num = num_copies(train.targets, settings.offline.copies, settings.offline.minority_only)
    materialise(train, augmenter, num, folder / "copies")

    save_png(
        folder / "preview.png", preview(train, card.classes, augmenter, settings.preview_draws)
    )
    rows = statistics.sample(len(train.ids), card.image_shape)
    images, keys = np.asarray(train.images[rows]), sample_keys(train.ids[rows])
    write_json(folder / "statistics.json", statistics.per_transform(images, keys, policy["policy"]))
    change = statistics.pixel_change(images, augmenter(images, 0, keys))
    stage.spool.record({"mean_pixel_change": change, "num_copies": int(num.sum())})
    print(f"{statistics.images_per_second(augmenter, images, keys):,.0f} images/s on one core")


def _train(stage: Stage[Params], card: Card) -> Packed:
    """Return all images that any fit trains on: without val in hold-out, everything with folds."""
    packed = Packed.open(stage.inputs.trainval)
    is_train = (packed.folds < 0) | (card.num_folds > 1)
    return packed.take(np.flatnonzero(is_train))


if __name__ == "__main__":
    run("augment", parse_params, main)
