"""Everything that an evaluation finds, as tables; rows are of any kind that a table accepts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.config.networks import cost_of, networks_of
from pipeline.config.params import Params, monitor
from pipeline.core.artifacts import Cost, OutOfFold
from pipeline.core.files import read_json
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.conformal import PredictionSets
from pipeline.ensembling.truth import Truth
from pipeline.evaluation import contributions, curves
from pipeline.evaluation.calibration import calibrated
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.diversity import diversity
from pipeline.evaluation.each import each
from pipeline.evaluation.errors import confusion_matrix, confusions, misses, mistakes
from pipeline.evaluation.frontier import frontier
from pipeline.evaluation.histories import histories
from pipeline.evaluation.label_errors import suspects
from pipeline.evaluation.prediction_sets import qualities, set_qualities
from pipeline.evaluation.recipes import by_recipe, recipe_figures, recipe_pairs, trained
from pipeline.evaluation.slices import slices
from pipeline.evaluation.students import taught
from pipeline.evaluation.systems import Tested, outputs_of
from pipeline.evaluation.tables import named

Tables = dict[str, Sequence[Any]]
"""The rows of each table, by its name."""


def of_systems(inputs: Layout, params: Params, tested: Tested, comparison: Comparison) -> Tables:
    """Tabulate every system's metrics, cost, calibration and comparison with the others."""
    evaluator = tested.evaluator
    networks = [*tested.members, *tested.students]
    costs = {name: Cost(**read_json(cost_of(inputs, name, params))) for name in networks}
    counted = {name: own.without_idle().members for name, own in tested.combiners.items()}
    figures = {name: own[evaluator.headline] for name, own in comparison.systems.items()}
    better = evaluator.headline_metric.higher_is_better
    prices = frontier(costs, counted, figures, higher_is_better=better)
    return {
        "systems": [
            {
                "system": name,
                "kind": tested.kind_of(name),
                "num_members": len(counted[name]),
                "calibrator": tested.combiners[name].calibrator,
                **estimates,
            }
            for name, estimates in comparison.systems.items()
        ],
        "pairs": comparison.pairs,
        "cost": prices,
        "students": taught(evaluator, tested.systems, comparison, prices, tested.students),
        "calibration": [
            row
            for name in tested.systems
            for row in _calibrations(tested, name, params.evaluation.num_bins)
        ],
    }


def _calibrations(tested: Tested, name: str, num_bins: int) -> Sequence[Any]:
    own = tested.combiners[name]
    each_way = {
        calibrator: outputs_of(replace(own, calibrator=calibrator), tested.predictions)
        for calibrator in own.calibrations
    }
    return calibrated(tested.evaluator, name, own.calibrator, each_way, num_bins)


def of_members(inputs: Layout, tested: Tested) -> Tables:
    """Tabulate the members' diversity, their contributions, and ensembles of growing size."""
    evaluator = tested.evaluator
    left_out = read_json(inputs.ensemble / "choice.json")["left_out"]
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


def of_recipes(params: Params, tested: Tested) -> Tables:
    """Tabulate the recipes that have several seeds, and the differences between them.

    One group of test samples shows nothing of how the next would differ.
    """
    if tested.evaluator.num_groups < 2:
        return {"recipes": [], "recipe_pairs": []}
    recipe_of = {name: member.recipe for name, member in params.members.items()}
    members = {name: tested.systems[name] for name in tested.members}
    systems = by_recipe(members, recipe_of)
    recipes = {name: trained(tested.evaluator, own) for name, own in systems.items()}
    return {
        "recipes": recipe_figures(tested.evaluator, recipes),
        "recipe_pairs": recipe_pairs(tested.evaluator, recipes),
    }


def of_chosen(params: Params, tested: Tested, held_out: OutOfFold, truth: Truth) -> Tables:
    """Tabulate the chosen ensemble's errors and prediction sets, and suspected label errors.

    Args:
        truth: the truth of validation, which `held_out` predicts.
    """
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
            evaluator, chosen, outputs, truth, settings.sets, settings.coverage
        )
    return {
        **found,
        "label_errors": suspects(outputs, held_out.targets, held_out.ids, names),
        "confident_mistakes": mistakes(chosen, targets, ids, names),
        "confused_pairs": confusions(evaluator, chosen.decided),
    }


def of_students(inputs: Layout, params: Params, tested: Tested) -> Tables:
    """Tabulate the errors and prediction sets of each student, as each may be packaged."""
    evaluator, found = tested.evaluator, defaultdict[str, list[Any]](list)
    for name in tested.students:
        own = tested.systems[name]
        found["student_slices"] += named(name, slices(evaluator, own, tested.samples))
        if evaluator.kind != "values":
            pairs = confusions(evaluator, own.decided)
            found["student_confused_pairs"] += named(name, pairs)
        if evaluator.kind == "classes":
            rule = PredictionSets.load(inputs.student_sets(name))
            by_class = params.ensemble.sets.by_class
            measured = qualities(evaluator, own, rule, by_class=by_class, is_used=True)
            found["student_prediction_sets"] += named(name, measured)
    return dict(found)


def of_curves(inputs: Layout, params: Params, tested: Tested) -> Tables:
    """Tabulate the networks' learning curves, and the points of the chosen ensemble's curves."""
    watched = monitor(params.task)
    names = [*tested.members, *tested.students]
    epochs = histories({name: networks_of(inputs, name, params) for name in names}, watched)
    column = watched.replace("/", "_")
    rows = [{"member": own.member, "epoch": own.epoch, column: own.figure} for own in epochs]
    found: Tables = {"learning_curves": rows}
    evaluator, chosen = tested.evaluator, tested.systems[tested.chosen]
    given = chosen, evaluator.targets, evaluator.names
    if evaluator.kind == "values":
        return found
    if evaluator.kind == "classes":
        found["confusion"] = confusion_matrix(*given)
    bins, confidence = params.evaluation.num_bins, evaluator.confidence
    weighted = *given, evaluator.weights
    return {
        **found,
        "roc": curves.roc(*weighted),
        "precision_recall": curves.precision_recall(*weighted),
        "reliability": curves.reliability(*weighted, num_bins=bins, confidence=confidence),
    }
