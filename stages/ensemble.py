"""Fit every member's calibration and every ensemble on validation, and choose one to deploy."""

from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.config.ensembling import fitting
from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.artifacts import Card, OutOfFold, Pool
from pipeline.core.component import Component, make
from pipeline.core.files import write_json
from pipeline.core.paths import CODE, Layout
from pipeline.core.stage import Stage, run
from pipeline.ensembling import choice
from pipeline.ensembling.choice import Candidate
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.conformal import calibrate
from pipeline.ensembling.cross_fitting import Validation, fit
from pipeline.ensembling.leave_one_out import practicable_members, without
from pipeline.ensembling.nested import nested, practicable_sizes
from pipeline.ensembling.practicable import practicable
from pipeline.ensembling.validation import pooled, validation
from pipeline.evaluation.held_out import headline_metric, quality


def main(stage: Stage[Params]) -> None:
    settings, task = stage.params.ensemble, stage.params.task
    members = list(stage.params.pool)
    pool, predictions = pooled(stage.inputs, members, "val", stage.params)
    val = validation(stage.inputs, pool, stage.params)
    best = make("method", choice.BASELINE)
    classes = Card.load(stage.inputs.card).classes
    metric = headline_metric(val.prediction_type.kind, classes, settings)

    def candidate(method: Component, names: list[str], own: np.ndarray) -> Candidate:
        fitted = fit(method, names, own, val)
        return Candidate(fitted, quality(metric, fitted.combiner, fitted.held_out, val.truth))

    alone = {m: candidate(best, [m], predictions[[i]]) for i, m in enumerate(members)}
    num_features = len(members) * len(classes)
    listed, notes = practicable(fitting("method", settings.methods, task), num_features)
    methods = {method.name: method for method in (best, *listed)}
    ensembles = {n: candidate(method, members, predictions) for n, method in methods.items()}
    chosen = choice.ensemble(ensembles, val.truth)
    whole = ensembles[chosen].fitted.combiner
    left_out, more = _write_variants(stage.outputs, methods[chosen], whole, predictions, val)
    if val.prediction_type.kind == "classes":
        held_out = ensembles[chosen].fitted.held_out
        sets = calibrate(held_out, val.truth, settings.sets, settings.coverage)
        write_json(stage.outputs.sets, asdict(sets))
    decided = {
        "chosen": chosen,
        "best_member": choice.member(alone),
        "left_out": left_out,
        "not_fitted": [*val.notes, *notes, *more],
    }
    _write(stage, alone, ensembles, pool, decided)


def _write_variants(
    outputs: Layout, method: Component, whole: Combiner, predictions: np.ndarray, val: Validation
) -> tuple[list[str], list[str]]:
    """Write what the evaluation compares the chosen ensemble with.

    Return the members that were left out, one at a time, and notes on what was not fitted.
    """
    growing = nested(whole.members, predictions, val)
    for place, combiner in enumerate(growing):
        combiner.save(outputs.nested / f"{place:03d}.json")
    by_usefulness, counted = growing[-1].members, whole.without_idle().members
    helpful = [member for member in by_usefulness if member in counted]
    asked, notes = practicable_members(helpful, predictions)
    for member, combiner in without(method, whole, predictions, val, asked).items():
        combiner.save(outputs.without(member))
    return asked, [*practicable_sizes(predictions)[1], *notes]


def _write(
    stage: Stage[Params],
    members: dict[str, Candidate],
    ensembles: dict[str, Candidate],
    pool: Pool,
    decided: dict[str, Any],
) -> None:
    systems = {name: own.fitted for name, own in {**members, **ensembles}.items()}
    for name, fitted in systems.items():
        fitted.combiner.save(stage.outputs.system(name))
    choices = {
        **decided,
        "members": list(members),
        "ensembles": list(ensembles),
        "held_out_val_loss": {name: fitted.mean_losses for name, fitted in systems.items()},
    }
    write_json(stage.outputs.ensemble / "choice.json", choices)
    write_json(stage.outputs.ensemble / CODE, stage.code())
    held_out = {name: fitted.held_out for name, fitted in systems.items()}
    OutOfFold(pool.ids, pool.targets, held_out).save(stage.outputs.held_out)
    teacher = {decided["chosen"]: held_out[decided["chosen"]]}
    OutOfFold(pool.ids, pool.targets, teacher).save(stage.outputs.teacher)
    stage.spool.record({f"val/loss/{name}": fitted.loss for name, fitted in systems.items()})


if __name__ == "__main__":
    run("ensemble", parse_params, main)
