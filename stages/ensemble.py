"""Fit every member's calibration and every ensemble on validation, and name the one to deploy."""

from pipeline.artifacts import HeldOut, Pool, write_json
from pipeline.component import Component
from pipeline.ensembling._fit import Fitted, fit
from pipeline.params import fitting
from pipeline.stage import Stage, run
from pipeline.validation import pooled, validation


def main(stage: Stage) -> None:
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
    stage: Stage, members: dict[str, Fitted], ensembles: dict[str, Fitted], pool: Pool
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
    HeldOut(pool.ids, pool.targets, {n: f.held_out for n, f in systems.items()}).save(
        stage.outputs.held_out
    )
    stage.spool.record({f"val/loss/{name}": fitted.loss for name, fitted in systems.items()})


if __name__ == "__main__":
    run("ensemble", main)
