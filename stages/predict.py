"""Predict validation and test with one member: the only stage that reads test images."""

import shutil
from pathlib import Path

from pipeline.config.load import parse_params
from pipeline.config.networks import networks_of
from pipeline.config.params import Params
from pipeline.core.run_log import Spool
from pipeline.core.stage import Stage, Turn, run
from pipeline.execution.ahead import run_ahead
from pipeline.prediction.job import PredictionJob


def main(stage: Stage[Params], name: str = "predict") -> None:
    shutil.copytree(predicted(stage, name), stage.outputs.cost(stage.key).parent)


def predicted(stage: Stage[Params], name: str) -> Path:
    """Predict with the networks of the entry's key; return the folder of the results."""
    hardware = stage.params.hardware.on_one_device()
    (job,) = run_ahead(name, stage, lambda turn: [_job(stage, turn)], hardware)
    stage.spool.show(Spool(Path(job.spool)))
    stage.spool.tag(Spool(Path(job.spool)).tags)
    return job.result.parent


def _job(stage: Stage[Params], turn: Turn) -> PredictionJob:
    return PredictionJob(
        title=f"predict {turn.key}",
        hardware=stage.params.hardware.on_one_device(),
        execution=stage.params.execution,
        folder=f"{turn.work}",
        spool=f"{turn.work / 'run'}",
        run=turn.run,
        member=turn.key,
        networks=f"{networks_of(stage.inputs, turn.key, stage.params)}",
        test_time=stage.params.prediction.of(turn.key),
    )


if __name__ == "__main__":
    run("predict", parse_params, main)
