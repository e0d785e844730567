"""Fit every ensemble method on validation, and name the one to deploy."""

from pipeline.artifacts import Pool, Predictions, write_json
from pipeline.component import load
from pipeline.ensembling._choose import cross_validated, fit, mean_log_loss
from pipeline.ensembling._combiner import Combiner
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    task = load("task", stage.params.task)
    members = list(stage.params.members)
    val = Pool.gather({m: Predictions.load(stage.inputs.predictions(m, "val")) for m in members})
    log_probs = task.predictions(val.logits)
    losses: dict[str, float] = {}
    for method in stage.params.ensemble:
        weights = fit(method, log_probs, val.targets)
        combiner = Combiner(method.name, dict(zip(members, weights.tolist(), strict=True)))
        combiner.save(stage.outputs.ensemble / f"{method.name}.json")
        losses[method.name] = cross_validated(method, log_probs, val.targets)
    alone = {m: mean_log_loss(log_probs[i], val.targets) for i, m in enumerate(members)}
    write_json(
        stage.outputs.ensemble / "choice.json",
        {
            "chosen": min(losses, key=losses.__getitem__),
            "best_member": min(alone, key=alone.__getitem__),
            "cross_validated_val_log_loss": losses,
            "member_val_log_loss": alone,
        },
    )
    figures = {**losses, **alone}
    stage.spool.record({f"val/log_loss/{name}": value for name, value in figures.items()})


if __name__ == "__main__":
    run("ensemble", main)
