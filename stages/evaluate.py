"""Measure every member and every ensemble on the test split, with intervals."""

from pipeline.artifacts import Pool, Predictions, read_json, write_json
from pipeline.component import load
from pipeline.ensembling._combiner import Combiner
from pipeline.evaluation import report
from pipeline.evaluation.compare import compare
from pipeline.evaluation.metrics import metrics
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    settings = stage.params.evaluation
    members = list(stage.params.members)
    paths = {member: stage.inputs.predictions(member, "test") for member in members}
    test = Pool.gather({member: Predictions.load(path) for member, path in paths.items()})
    log_probs = dict(
        zip(members, load("task", stage.params.task).predictions(test.logits), strict=True)
    )
    ensembles = {
        method.name: Combiner.load(stage.inputs.ensemble / f"{method.name}.json")(log_probs)
        for method in stage.params.ensemble
    }
    choice = read_json(stage.inputs.ensemble / "choice.json")
    comparison = compare(
        {**log_probs, **ensembles},
        test.targets,
        metrics(settings.num_bins),
        chosen=choice["chosen"],
        best_member=choice["best_member"],
        num_bootstrap=settings.num_bootstrap,
        confidence=settings.confidence,
        seed=settings.seed,
    )
    write_json(stage.outputs.comparison, comparison.as_json())
    report.write_metrics(stage.outputs.metrics, comparison, set(ensembles))
    classes = list(read_json(stage.inputs.card)["classes"])
    chosen = ensembles[comparison.chosen]
    report.write_confusion(stage.outputs.plots, chosen, test.targets, classes, comparison.chosen)
    report.write_learning_curves(stage.outputs.plots, report.histories(stage.inputs, members))
    report.write_systems(stage.outputs.plots, comparison, set(ensembles))
    report.record(stage.spool, comparison, set(ensembles))
    report.show(comparison, set(ensembles))


if __name__ == "__main__":
    run("evaluate", main)
