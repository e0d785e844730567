"""Fit one student's calibration, decision rule and prediction sets on its validation fold."""

from dataclasses import asdict

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.component import make
from pipeline.core.files import write_json
from pipeline.core.stage import Stage, run
from pipeline.ensembling.choice import BASELINE
from pipeline.ensembling.conformal import calibrate
from pipeline.ensembling.cross_fitting import fit
from pipeline.ensembling.validation import pooled, validation


def main(stage: Stage[Params]) -> None:
    name, settings = stage.key, stage.params.ensemble
    pool, predictions = pooled(stage.inputs, [name], "val", stage.params)
    val = validation(stage.inputs, pool, stage.params)
    fitted = fit(make("method", BASELINE), [name], predictions, val)
    fitted.combiner.save(stage.outputs.student_system(name))
    if val.prediction_type.kind == "classes":
        sets = calibrate(fitted.held_out, val.truth, settings.sets, settings.coverage)
        write_json(stage.outputs.student_sets(name), asdict(sets))
    losses = fitted.mean_losses.items()
    stage.spool.record({f"val/loss/{calibrator}": loss for calibrator, loss in losses})


if __name__ == "__main__":
    run("calibrate", parse_params, main)
