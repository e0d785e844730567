"""Measure all members, ensembles and students on test; report which differ, where and why."""

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.artifacts import OutOfFold, Samples
from pipeline.core.files import read_json, write_json
from pipeline.core.stage import Stage, run
from pipeline.evaluation import records, tables, tabulate
from pipeline.evaluation.advice import sentences
from pipeline.evaluation.comparison import compare
from pipeline.evaluation.each import absences
from pipeline.evaluation.held_out import truth_of
from pipeline.evaluation.on_validation import advised, on_labels
from pipeline.evaluation.recipes import recipe_sentence
from pipeline.evaluation.slices import left_out
from pipeline.evaluation.systems import Tested


def main(stage: Stage[Params]) -> None:
    inputs, outputs, params = stage.inputs, stage.outputs, stage.params
    tested, held_out = Tested.read(inputs, params), OutOfFold.load(inputs.held_out)
    evaluator, known = tested.evaluator, Samples.load(inputs.trainval)
    truth = truth_of(held_out, known, params.ensemble, evaluator.names)
    comparison = compare(
        evaluator, tested.systems, chosen=tested.chosen, best_member=tested.best_member
    )
    advice = advised(inputs, params, tested, held_out, truth)
    found: tabulate.Tables = {
        **tabulate.of_systems(inputs, params, tested, comparison),
        **tabulate.of_members(inputs, tested),
        **tabulate.of_recipes(params, tested),
        "advice": advice.additions,
        **tabulate.of_chosen(params, tested, held_out, truth),
        **tabulate.of_students(inputs, params, tested),
        **tabulate.of_curves(inputs, params, tested),
    }
    for name, rows in found.items():
        if rows:
            tables.write(outputs.tables / f"{name}.csv", rows)
    said = {
        "students": [row.said for row in found["students"]],
        "over_seeds": [recipe_sentence(pair, evaluator) for pair in found["recipe_pairs"]],
        "advice": sentences(advice),
        "labels": on_labels(
            tested,
            held_out,
            len(found.get("label_errors", ())),
            len(known.columns["id"]) - len(held_out.ids),
        ),
        "notes": [
            *absences(
                evaluator.kind,
                evaluator.names,
                {"validation": held_out.targets, "test": evaluator.targets},
            ),
            *left_out(tested.samples),
            *read_json(inputs.ensemble / "choice.json")["not_fitted"],
        ],
    }
    write_json(outputs.comparison, {**comparison.as_json(evaluator), **said})
    records.write_metrics(outputs.metrics, comparison, tested.kind_of)
    records.record(stage.spool, comparison, tested.kind_of)
    records.show(comparison, evaluator, tested.kind_of, [s for own in said.values() for s in own])


if __name__ == "__main__":
    run("evaluate", parse_params, main)
