"""Predict validation and test with one member: the only stage that reads test images."""

import torch

from pipeline.artifacts import Predictions
from pipeline.packed import Packed
from pipeline.predicting import Member, choose_device
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    hardware = stage.params.hardware
    torch.set_num_threads(hardware.threads)
    device = choose_device(hardware.accelerator)
    member = Member.load(stage.inputs.member(stage.key), device)
    stage.spool.tag(member.arrange(hardware).tags())
    test = Packed.open(stage.inputs.test)
    predictions = {
        "val": member.validate(Packed.open(stage.inputs.trainval)),
        "test": Predictions(test.ids, member.logits(test.images), test.targets),
    }
    for split, predicted in predictions.items():
        predicted.save(stage.outputs.predictions(stage.key, split))
        stage.spool.record({f"{split}/num_images": len(predicted.ids)})


if __name__ == "__main__":
    run("predict", main)
