"""Freeze the augmentation policy and show what training will see."""

from pipeline.artifacts import Card, Packed, write_json
from pipeline.augmentation.policy import Augmenter, freeze
from pipeline.augmentation.preview import movement, preview, save_png
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    settings = stage.params.augmentation
    card = Card.load(stage.inputs.card)
    train = Packed.open(stage.inputs.processed / "train")
    policy = freeze(settings.policy, card.image_shape)
    augmenter = Augmenter(policy, seed=0)
    write_json(stage.outputs.augmentation / "policy.json", policy)
    grid = preview(train, augmenter, settings.preview_draws)
    save_png(stage.outputs.augmentation / "preview.png", grid)
    stage.spool.record({"mean_pixel_change": movement(train, augmenter)})


if __name__ == "__main__":
    run("augment", main)
