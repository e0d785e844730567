"""Predict validation and test with one member: the only stage that reads test images."""

import torch

from pipeline.artifacts import Packed, Predictions
from pipeline.network import Network, choose_device, predict_logits
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    hardware = stage.params.hardware
    torch.set_num_threads(hardware.threads)
    device = choose_device(hardware.accelerator)
    network = Network.load(stage.inputs.member(stage.key)).arrange(hardware.memory_format)
    for split in ("val", "test"):
        packed = Packed.open(stage.inputs.processed / split)
        logits = predict_logits(network, packed.images, device, hardware.precision)
        predictions = Predictions(packed.ids, logits, packed.targets)
        predictions.save(stage.outputs.predictions(stage.key, split))
        stage.spool.record({f"{split}/num_images": len(logits)})


if __name__ == "__main__":
    run("predict", main)
