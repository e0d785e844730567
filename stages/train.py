"""Train one member with its recipe's chosen settings: one network, or one a fold."""

from pipeline.artifacts import Card, read_json
from pipeline.component import retuple
from pipeline.params import Recipe
from pipeline.spool import Spool
from pipeline.stage import Stage, run
from pipeline.training import start
from pipeline.training.job import Job


def main(stage: Stage) -> None:
    num_folds = Card.load(stage.inputs.card).num_folds
    for fold in range(num_folds):
        spool = stage.spool if num_folds == 1 else stage.spool.nested(f"fold_{fold}", {})
        title = f"train {stage.key}" + (f" fold {fold}" if num_folds > 1 else "")
        job = _job(stage, fold, spool, title)
        start.run(job, stage.scratch / f"fold_{fold}.json", stage.params.launch.command)


def _job(stage: Stage, fold: int, spool: Spool, title: str) -> Job:
    member = stage.params.members[stage.key]
    settings = read_json(stage.inputs.search(member.recipe) / "chosen.json")
    return Job(
        title=title,
        recipe=Recipe.model_validate(retuple(settings)),
        task=stage.params.task,
        hardware=stage.params.hardware,
        seed=member.seed,
        init_seed=member.init_seed,
        fold=fold,
        folder=f"{stage.work / f'fold_{fold}'}",
        spool=f"{spool.folder}",
        network=f"{stage.outputs.member(stage.key) / f'fold_{fold}'}",
    )


if __name__ == "__main__":
    run("train", main)
