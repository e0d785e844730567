"""Predict validation and test with one member: the only stage that reads test images."""

from pathlib import Path

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.run_log import Spool
from pipeline.core.stage import Stage, Turn, run
from pipeline.execution.ahead import run_ahead
from pipeline.prediction.folders import folder_of
from pipeline.prediction.job import PredictionJob


def main(stage: Stage[Params], name: str = "predict") -> None:
    hardware = stage.params.hardware.on_one_device()
    (job,) = run_ahead(name, stage, lambda turn: [_job(stage, turn)], hardware)
    stage.spool.show(Spool(Path(job.spool)))
    stage.spool.tag(Spool(Path(job.spool)).tags)
    target = stage.outputs.cost(stage.key).parent
    target.parent.mkdir(parents=True, exist_ok=True)
    job.result.parent.replace(target)


def _job(stage: Stage[Params], turn: Turn) -> PredictionJob:
    return PredictionJob(
        title=f"predict {turn.key}",
        hardware=stage.params.hardware.on_one_device(),
        execution=stage.params.execution,
        folder=f"{turn.work}",
        spool=f"{turn.work / 'run'}",
        run=turn.run,
        member=turn.key,
        networks=f"{folder_of(stage.inputs, turn.key, stage.params)}",
        test_time=stage.params.prediction.of(turn.key),
    )


if __name__ == "__main__":
    run("predict", parse_params, main)
