"""Measure every member and every ensemble on test, and report which differ, where and why."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.config.load import parse_params
from pipeline.config.params import Params, monitor
from pipeline.core.artifacts import Cost, OutOfFold, Samples
from pipeline.core.files import read_json, write_json
from pipeline.core.stage import Stage, run
from pipeline.ensembling.combiner import Combiner
from pipeline.evaluation import contributions, curves, records, tables
from pipeline.evaluation.advice import Advice, advice, errors_of, sentences
from pipeline.evaluation.calibration import calibrated
from pipeline.evaluation.comparison import Comparison, compare
from pipeline.evaluation.diversity import diversity
from pipeline.evaluation.each import absences, each
from pipeline.evaluation.errors import confusion_matrix, confusions, misses, mistakes
from pipeline.evaluation.frontier import frontier
from pipeline.evaluation.histories import histories
from pipeline.evaluation.intervals import Bootstrap
from pipeline.evaluation.label_errors import suspects
from pipeline.evaluation.prediction_sets import set_qualities
from pipeline.evaluation.recipes import (
    by_recipe,
    recipe_figures,
    recipe_pairs,
    recipe_sentence,
    trained,
)
from pipeline.evaluation.slices import left_out, slices
from pipeline.evaluation.systems import Tested, outputs_of
from pipeline.evaluation.wrong_labels import num_wrong_labels, wrong_labels_sentence

Tables = dict[str, Sequence[Any]]
"""Tables by name, with rows of any kind that a table accepts."""


def main(stage: Stage[Params]) -> None:
    tested = Tested.read(stage.inputs, stage.params)
    held_out = OutOfFold.load(stage.inputs.held_out)
    evaluator = tested.evaluator
    comparison = compare(
        evaluator, tested.systems, chosen=tested.chosen, best_member=tested.best_member
    )
    recipes = _of_recipes(stage.params, tested)
    known = Samples.load(stage.inputs.trainval)
    advised = _advice(stage, tested, held_out, known.of(held_out.ids).units)
    found: Tables = {
        **_of_systems(stage, tested, comparison),
        **_of_members(stage, tested),
        **recipes,
        "advice": advised.additions,
        **_of_chosen(stage.params, tested, held_out),
        **_curves(stage, tested),
    }
    for name, rows in found.items():
        if rows:
            tables.write(stage.outputs.tables / f"{name}.csv", rows)
    targets = {"validation": held_out.targets, "test": evaluator.targets}
    notes = [
        *absences(evaluator.kind, evaluator.names, targets),
        *left_out(tested.samples),
        *read_json(stage.inputs.ensemble / "choice.json")["not_fitted"],
    ]
    advised_on = sentences(advised)
    num_unseen = len(known.columns["id"]) - len(held_out.ids)
    labels = _on_labels(tested, held_out, found, num_unseen)
    over_seeds = [recipe_sentence(pair, evaluator) for pair in recipes["recipe_pairs"]]
    write_json(
        stage.outputs.comparison,
        {
            **comparison.as_json(evaluator),
            "over_seeds": over_seeds,
            "notes": notes,
            "advice": advised_on,
            "labels": labels,
        },
    )
    records.write_metrics(stage.outputs.metrics, comparison, tested.ensembles)
    records.record(stage.spool, comparison, tested.ensembles)
    records.show(
        comparison, evaluator, tested.ensembles, [*over_seeds, *advised_on, *labels, *notes]
    )


def _of_systems(stage: Stage[Params], tested: Tested, comparison: Comparison) -> Tables:
    """Tabulate every system's metrics, cost, calibration and comparison with the others."""
    evaluator = tested.evaluator
    costs = {m: Cost(**read_json(stage.inputs.cost(m))) for m in tested.members}
    counted = {name: own.without_idle().members for name, own in tested.combiners.items()}
    figures = {name: own[evaluator.headline] for name, own in comparison.systems.items()}
    better = evaluator.headline_metric.higher_is_better
    return {
        "systems": [
            {
                "system": name,
                "kind": "ensemble" if name in tested.ensembles else "member",
                "num_members": len(counted[name]),
                "calibrator": tested.combiners[name].calibrator,
                **estimates,
            }
            for name, estimates in comparison.systems.items()
        ],
        "pairs": comparison.pairs,
        "cost": frontier(costs, counted, figures, higher_is_better=better),
        "calibration": [
            row
            for name in tested.systems
            for row in _calibrations(tested, name, stage.params.evaluation.num_bins)
        ],
    }


def _calibrations(tested: Tested, name: str, num_bins: int) -> Sequence[Any]:
    own = tested.combiners[name]
    each_way = {
        calibrator: outputs_of(replace(own, calibrator=calibrator), tested.predictions)
        for calibrator in own.calibrations
    }
    return calibrated(tested.evaluator, name, own.calibrator, each_way, num_bins)


def _of_members(stage: Stage[Params], tested: Tested) -> Tables:
    """Tabulate the members' diversity, their contributions, and ensembles of growing size."""
    evaluator = tested.evaluator
    inputs, left_out = stage.inputs, read_json(stage.inputs.ensemble / "choice.json")["left_out"]
    grown = [Combiner.load(path) for path in sorted(inputs.nested.glob("*.json"))]
    reduced = {member: Combiner.load(inputs.without(member)) for member in left_out}
    members = {name: tested.systems[name] for name in tested.members}
    return {
        "diversity": diversity(evaluator, members, tested.std),
        "contributions": contributions.contributions(
            evaluator,
            tested.systems[tested.chosen],
            {member: outputs_of(own, tested.predictions) for member, own in reduced.items()},
        ),
        "sizes": contributions.sizes(
            evaluator, [(own.members, outputs_of(own, tested.predictions)) for own in grown]
        ),
    }


def _of_recipes(params: Params, tested: Tested) -> Tables:
    """Tabulate the recipes that have several seeds, and the differences between them."""
    recipe_of = {name: member.recipe for name, member in params.members.items()}
    members = {name: tested.systems[name] for name in tested.members}
    systems = by_recipe(members, recipe_of)
    recipes = {name: trained(tested.evaluator, own) for name, own in systems.items()}
    return {
        "recipes": recipe_figures(tested.evaluator, recipes),
        "recipe_pairs": recipe_pairs(tested.evaluator, recipes),
    }


def _advice(
    stage: Stage[Params], tested: Tested, held_out: OutOfFold, groups: np.ndarray
) -> Advice:
    """Find out on validation what further members would bring."""
    settings, kind = stage.params.evaluation, tested.evaluator.kind
    weights = np.ones(len(groups))
    return advice(
        kind,
        {
            name: errors_of(kind, held_out.systems[name], held_out.targets, tested.std)
            for name in tested.members
        },
        {name: member.recipe for name, member in stage.params.members.items()},
        Combiner.load(max(stage.inputs.nested.glob("*.json"))).members,
        tested.best_member,
        errors_of(kind, held_out.systems[tested.chosen], held_out.targets, tested.std),
        Bootstrap(groups, weights, settings.num_bootstrap, settings.confidence, settings.seed),
    )


def _on_labels(tested: Tested, held_out: OutOfFold, found: Tables, num_unseen: int) -> list[str]:
    """Say how many labels are probably wrong, and of how many samples that is not known."""
    if tested.evaluator.kind == "values":
        return []
    wrong = num_wrong_labels(
        held_out.systems[tested.chosen], held_out.targets, tested.evaluator.confidence
    )
    return [wrong_labels_sentence(wrong, len(found["label_errors"]), num_unseen)]


def _of_chosen(params: Params, tested: Tested, held_out: OutOfFold) -> Tables:
    """Tabulate the chosen ensemble's errors and prediction sets, and suspected label errors."""
    evaluator, chosen = tested.evaluator, tested.systems[tested.chosen]
    ids, targets, names = evaluator.ids, evaluator.targets, evaluator.names
    found: Tables = {
        "per_class": each(evaluator, chosen),
        "slices": slices(evaluator, chosen, tested.samples),
    }
    if evaluator.kind == "values":
        missed = misses(chosen.predictions, targets, tested.std, ids, names)
        return {**found, "largest_errors": missed}
    outputs, settings = held_out.systems[tested.chosen], params.ensemble
    if evaluator.kind == "classes":
        found["prediction_sets"] = set_qualities(
            evaluator, chosen, held_out, tested.chosen, settings.sets, settings.coverage
        )
    return {
        **found,
        "label_errors": suspects(outputs, held_out.targets, held_out.ids, names),
        "confident_mistakes": mistakes(chosen, targets, ids, names),
        "confused_pairs": confusions(evaluator, chosen.decided),
    }


def _curves(stage: Stage[Params], tested: Tested) -> Tables:
    """Tabulate the members' learning curves, and the points of the chosen ensemble's curves."""
    watched = monitor(stage.params.task)
    epochs = histories(stage.inputs, tested.members, watched)
    column = watched.replace("/", "_")
    rows = [{"member": own.member, "epoch": own.epoch, column: own.figure} for own in epochs]
    found: Tables = {"learning_curves": rows}
    evaluator, chosen = tested.evaluator, tested.systems[tested.chosen]
    given = chosen, evaluator.targets, evaluator.names
    if evaluator.kind == "values":
        return found
    if evaluator.kind == "classes":
        found["confusion"] = confusion_matrix(*given)
    bins, confidence = stage.params.evaluation.num_bins, evaluator.confidence
    return {
        **found,
        "roc": curves.roc(*given),
        "precision_recall": curves.precision_recall(*given),
        "reliability": curves.reliability(*given, num_bins=bins, confidence=confidence),
    }


if __name__ == "__main__":
    run("evaluate", parse_params, main)
