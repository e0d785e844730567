"""Train one member with its recipe's chosen settings: one network, or one for each fold."""

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.config.recipes import Recipe
from pipeline.core.artifacts import Card
from pipeline.core.component import retuple
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import CODE
from pipeline.core.run_log import Spool
from pipeline.core.stage import Stage, run
from pipeline.execution.fit_process import run_fit
from pipeline.execution.job import Job


def main(stage: Stage[Params]) -> None:
    num_folds = Card.load(stage.inputs.card).num_folds
    for fold in range(num_folds):
        spool = stage.spool if num_folds == 1 else stage.spool.nested(f"fold_{fold}", {})
        title = f"train {stage.key}" + (f" fold {fold}" if num_folds > 1 else "")
        job = _job(stage, fold, spool, title)
        run_fit(job, stage.scratch / f"fold_{fold}.json")
    member = stage.params.members[stage.key]
    made_of = read_json(stage.inputs.search(member.recipe) / CODE)
    write_json(stage.outputs.member(stage.key) / CODE, _network_code(made_of))


def _job(stage: Stage[Params], fold: int, spool: Spool, title: str) -> Job:
    member = stage.params.members[stage.key]
    settings = read_json(stage.inputs.search(member.recipe) / "chosen.json")
    return Job(
        title=title,
        recipe=Recipe.model_validate(retuple(settings)),
        task=stage.params.task,
        hardware=stage.params.hardware,
        execution=stage.params.execution,
        seed=member.seed,
        init_seed=member.init_seed,
        fold=fold,
        is_first=fold == 0,
        folder=f"{stage.work / f'fold_{fold}'}",
        spool=f"{spool.folder}",
        network=f"{stage.outputs.member(stage.key) / f'fold_{fold}'}",
    )


def _network_code(made_of: dict[str, str]) -> dict[str, str]:
    """Return the part of a fit's code that its network needs in order to compute."""
    return {path: hash_ for path, hash_ in made_of.items() if path.startswith("pipeline/models/")}


if __name__ == "__main__":
    run("train", parse_params, main)
