"""Fit every member's calibration and every ensemble on validation, and name the one to deploy."""

from pipeline.artifacts import Card, HeldOut, Pool, Predictions, Samples, write_json
from pipeline.component import Component, load
from pipeline.decision import check_costs, choose
from pipeline.ensembling._fit import Fitted, Validation, fit, folds
from pipeline.params import Ensembling, fitting
from pipeline.space import Space
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    settings, task = stage.params.ensemble, stage.params.task
    card = Card.load(stage.inputs.card)
    members = list(stage.params.members)
    pool = Pool.gather({m: Predictions.load(stage.inputs.predictions(m, "val")) for m in members})
    val = _validation(stage, pool, card)
    predictions = load("task", task).predictions(pool.logits, *card.target_scale)
    best = Component(name="best")
    fitted = {m: fit(best, [m], predictions[[i]], val) for i, m in enumerate(members)}
    ensembles = {
        method.name: fit(method, members, predictions, val)
        for method in fitting("method", settings.methods, task)
    }
    _write(stage, fitted, ensembles, pool)


def _validation(stage: Stage, pool: Pool, card: Card) -> Validation:
    settings: Ensembling = stage.params.ensemble
    space = Space(load("task", stage.params.task).KIND, card.target_scale)
    check_costs(settings.costs, space.kind, card.classes)
    groups = Samples.load(stage.inputs.trainval).of(pool.ids).groups
    return Validation(
        space,
        pool.targets,
        folds(groups, settings.num_folds, settings.seed),
        fitting("calibrator", settings.calibrators, stage.params.task),
        lambda held_out: choose(
            space.kind,
            held_out,
            pool.targets,
            goal=settings.threshold,
            costs=settings.costs,
            coverage=settings.coverage,
        ),
    )


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
