"""Fit every member's calibration and every ensemble on validation, and choose one to deploy."""

from pipeline.config.ensembling import fitting
from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.artifacts import HeldOut, Pool
from pipeline.core.component import Component
from pipeline.core.files import write_json
from pipeline.core.paths import CODE
from pipeline.core.stage import Stage, run
from pipeline.ensembling.cross_fitting import Fitted, fit
from pipeline.ensembling.validation import pooled, validation


def main(stage: Stage[Params]) -> None:
    settings, task = stage.params.ensemble, stage.params.task
    members = list(stage.params.pool)
    pool, predictions = pooled(stage.inputs, members, "val", stage.params)
    val = validation(stage.inputs, pool, stage.params)
    best = Component(name="best")
    fitted = {m: fit(best, [m], predictions[[i]], val) for i, m in enumerate(members)}
    ensembles = {
        method.name: fit(method, members, predictions, val)
        for method in fitting("method", settings.methods, task)
    }
    _write(stage, fitted, ensembles, pool)


def _write(
    stage: Stage[Params], members: dict[str, Fitted], ensembles: dict[str, Fitted], pool: Pool
) -> None:
    systems = {**members, **ensembles}
    for name, fitted in systems.items():
        fitted.combiner.save(stage.outputs.system(name))
    chosen = min(ensembles, key=lambda name: ensembles[name].loss)
    choice = {
        "chosen": chosen,
        "best_member": min(members, key=lambda name: members[name].loss),
        "members": list(members),
        "ensembles": list(ensembles),
        "held_out_val_loss": {
            name: {c: float(losses.mean()) for c, losses in fitted.losses.items()}
            for name, fitted in systems.items()
        },
    }
    write_json(stage.outputs.ensemble / "choice.json", choice)
    write_json(stage.outputs.ensemble / CODE, stage.code())
    HeldOut(pool.ids, pool.targets, {n: f.held_out for n, f in systems.items()}).save(
        stage.outputs.held_out
    )
    stage.spool.record({f"val/loss/{name}": fitted.loss for name, fitted in systems.items()})


if __name__ == "__main__":
    run("ensemble", parse_params, main)
