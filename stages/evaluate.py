"""Measure every member and every ensemble on test, and say what differs, where and why."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.artifacts import Cost, HeldOut, read_json, write_json
from pipeline.ensembling._sizes import nested
from pipeline.ensembling._without import without
from pipeline.evaluating import Tested, answers
from pipeline.evaluation import contributions, plots, records, tables
from pipeline.evaluation.calibration import calibrated
from pipeline.evaluation.compare import Comparison, compare
from pipeline.evaluation.diversity import diversity
from pipeline.evaluation.each import absences, each
from pipeline.evaluation.errors import confusions, misses, mistakes
from pipeline.evaluation.frontier import frontier
from pipeline.evaluation.histories import histories
from pipeline.evaluation.label_errors import suspects
from pipeline.evaluation.slices import left_out, slices
from pipeline.params import fitting, monitor
from pipeline.stage import Stage, run
from pipeline.validation import pooled, validation

Tables = dict[str, Sequence[Any]]
"""By name, rows of any kind that a table can have."""
MOST_LEFT_OUT = 20
"""Members, of those that count the most useful, without which the ensemble is fitted again."""


def main(stage: Stage) -> None:
    tested = Tested.read(stage.inputs, stage.params)
    held_out = HeldOut.load(stage.inputs.held_out)
    measure_by = tested.yardstick
    comparison = compare(
        measure_by, tested.systems, chosen=tested.chosen, best_member=tested.best_member
    )
    found: Tables = {
        **_of_systems(stage, tested, comparison),
        **_of_members(stage, tested),
        **_of_chosen(tested, held_out),
    }
    for name, rows in found.items():
        if rows:
            tables.write(stage.outputs.tables / f"{name}.csv", rows)
    _plot(stage, tested, comparison, found)
    targets = {"validation": held_out.targets, "test": measure_by.targets}
    notes = [
        *absences(measure_by.kind, measure_by.names, targets),
        *left_out(tested.samples),
    ]
    write_json(stage.outputs.comparison, {**comparison.as_json(measure_by), "notes": notes})
    records.write_metrics(stage.outputs.metrics, comparison, tested.ensembles)
    records.record(stage.spool, comparison, tested.ensembles)
    records.show(comparison, measure_by, tested.ensembles, notes)


def _of_systems(stage: Stage, tested: Tested, comparison: Comparison) -> Tables:
    """How good every system is, at what cost, with which calibrator, and against each other."""
    measure_by = tested.yardstick
    costs = {m: Cost(**read_json(stage.inputs.cost(m))) for m in tested.members}
    counted = {name: own.without_idle().members for name, own in tested.combiners.items()}
    figures = {name: own[measure_by.headline] for name, own in comparison.systems.items()}
    better = measure_by.headline_metric.higher_is_better
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
        "calibration": [row for name in tested.systems for row in _calibrations(tested, name)],
    }


def _calibrations(tested: Tested, name: str) -> Sequence[Any]:
    own = tested.combiners[name]
    each_way = {
        calibrator: answers(replace(own, calibrator=calibrator), tested.predictions)
        for calibrator in own.calibrations
    }
    return calibrated(tested.yardstick, name, own.calibrator, each_way)


def _of_members(stage: Stage, tested: Tested) -> Tables:
    """How members differ, what each adds to the chosen ensemble, and how few are enough."""
    measure_by, whole = tested.yardstick, tested.combiners[tested.chosen]
    pool, predictions = pooled(stage.inputs, tested.members, "val", stage.params)
    val = validation(stage.inputs, pool, stage.params)
    methods = fitting("method", stage.params.ensemble.methods, stage.params.task)
    method = next(method for method in methods if method.name == tested.chosen)
    growing = [
        (combiner.members, answers(combiner, tested.predictions))
        for combiner in nested(tested.members, predictions, val)
    ]
    counted, (by_usefulness, _) = whole.without_idle().members, growing[-1]
    asked = [member for member in by_usefulness if member in counted][:MOST_LEFT_OUT]
    reduced = {
        member: answers(combiner, tested.predictions)
        for member, combiner in without(method, whole, predictions, val, asked).items()
    }
    members = {name: tested.systems[name] for name in tested.members}
    return {
        "diversity": diversity(measure_by, members, tested.std),
        "contributions": contributions.contributions(
            measure_by, tested.systems[tested.chosen], reduced
        ),
        "sizes": contributions.sizes(measure_by, growing),
    }


def _of_chosen(tested: Tested, held_out: HeldOut) -> Tables:
    """Where the chosen ensemble errs, and where it may be the labels that do."""
    measure_by, chosen = tested.yardstick, tested.systems[tested.chosen]
    ids, targets, names = measure_by.ids, measure_by.targets, measure_by.names
    found: Tables = {
        "per_class": each(measure_by, chosen),
        "slices": slices(measure_by, chosen, tested.samples),
    }
    if measure_by.kind == "values":
        missed = misses(chosen.predictions, targets, tested.std, ids, names)
        return {**found, "largest_errors": missed}
    said = held_out.systems[tested.chosen]
    return {
        **found,
        "label_errors": suspects(said, held_out.targets, held_out.ids, names),
        "confident_mistakes": mistakes(chosen, targets, ids, names),
        "confused_pairs": confusions(measure_by, chosen.decided),
    }


def _plot(stage: Stage, tested: Tested, comparison: Comparison, found: Tables) -> None:
    folder, measure_by = stage.outputs.plots, tested.yardstick
    chosen, bins = tested.systems[tested.chosen], stage.params.evaluation.num_bins
    plots.of_answers(folder, measure_by, chosen, f"{tested.chosen} on test", bins)
    plots.of_systems(
        folder, comparison, measure_by.headline, tested.ensembles,
        found["cost"], found["sizes"], found["diversity"],
    )  # fmt: skip
    watched = monitor(stage.params.task)
    plots.of_training(folder, histories(stage.inputs, tested.members, watched), watched)


if __name__ == "__main__":
    run("evaluate", main)
