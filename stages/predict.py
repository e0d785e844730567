"""Predict validation and test with one member: the only stage that reads test images."""

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.artifacts import Cost, Predictions
from pipeline.core.files import write_json
from pipeline.core.stage import Stage, run
from pipeline.images.packed import Packed
from pipeline.models import cpu
from pipeline.models.cost import cost
from pipeline.models.device import choose_device
from pipeline.prediction.predictor import Predictor
from pipeline.prediction.views import num_views


def main(stage: Stage[Params]) -> None:
    hardware = stage.params.hardware
    cpu.use(hardware.threads)
    device = choose_device(hardware.accelerator)
    member = Predictor.of(stage.inputs, stage.key, stage.params, device)
    stage.spool.tag(member.networks[0].arithmetic.tags())
    test = Packed.open(stage.inputs.test)
    predictions = {
        "val": member.validate(Packed.open(stage.inputs.trainval)),
        "test": Predictions(test.ids, member.logits(test.images), test.targets),
    }
    for split, predicted in predictions.items():
        predicted.save(stage.outputs.predictions(stage.key, split))
        stage.spool.record({f"{split}/num_images": len(predicted.ids)})
    total = Cost.total(cost(network) for network in member.networks)
    total = total._replace(multiply_adds=total.multiply_adds * num_views(member.test_time))
    write_json(stage.outputs.cost(stage.key), total._asdict())
    stage.spool.record({f"cost/{name}": value for name, value in total._asdict().items()})


if __name__ == "__main__":
    run("predict", parse_params, main)
