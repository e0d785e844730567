"""The process that predicts with one member: `python -m pipeline.prediction.run JOB`."""

import sys
from pathlib import Path

from pipeline.core import process
from pipeline.core.artifacts import Cost, Predictions
from pipeline.core.environment import environment
from pipeline.core.errors import UserError
from pipeline.core.files import write_json
from pipeline.core.paths import Layout
from pipeline.core.run_log import Figure, Spool
from pipeline.execution.messages import report
from pipeline.prediction.job import PredictionJob


def main(path: Path) -> None:
    """Run the job that a file describes."""
    process.prepare_fit()
    job = PredictionJob.load(path)
    with report(Path(job.folder)):
        predict(job, Layout())


def predict(job: PredictionJob, inputs: Layout) -> None:
    """Write the predictions of both splits, and what one image costs."""
    from pipeline.images.packed import Packed
    from pipeline.models import cpu
    from pipeline.models.cost import cost
    from pipeline.models.device import choose_device
    from pipeline.prediction.predictor import Predictor
    from pipeline.prediction.views import num_views

    cpu.use(job.hardware.threads)
    spool, device = Spool(Path(job.spool)), choose_device(job.hardware.accelerator)
    member = Predictor.load(Path(job.networks), device, job.test_time)
    spool.tag({**environment(), **member.arrange(job.hardware).tags()})
    test, figures = Packed.open(inputs.test), {}
    predictions = {
        "val": member.validate(Packed.open(inputs.trainval)),
        "test": Predictions(test.ids, member.logits(test.images), test.targets),
    }
    for split, predicted in predictions.items():
        predicted.save(job.outputs.predictions(job.member, split))
        figures[f"{split}/num_images"] = len(predicted.ids)
    total = Cost.total(cost(network) for network in member.networks)
    total = total._replace(multiply_adds=total.multiply_adds * num_views(member.test_time))
    figures |= {f"cost/{name}": value for name, value in total._asdict().items()}
    # A process that was killed may have written the same before.
    spool.rewrite([Figure(name, float(value), 0) for name, value in figures.items()])
    write_json(job.outputs.cost(job.member), total._asdict())


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except UserError as mistake:
        sys.exit(str(mistake))
