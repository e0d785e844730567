"""Choose one recipe's settings in an Optuna study."""

from pathlib import Path

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.config.recipes import override
from pipeline.core.files import write_json
from pipeline.core.paths import CODE
from pipeline.core.stage import Stage, run
from pipeline.execution.engine import open_engine
from pipeline.search.choice import choose, chosen
from pipeline.search.fits import Fits, costs, of_a_trial
from pipeline.search.pretrained import fingerprint
from pipeline.search.record import open_journal
from pipeline.search.run import search
from pipeline.search.spec import StudySpec
from pipeline.search.table import column, read, write
from pipeline.search.trial import Trial


def main(stage: Stage[Params]) -> None:
    recipe, folder = stage.params.recipes[stage.key], stage.outputs.search(stage.key)
    best: Trial | None = None
    if recipe.search:
        best = _search(stage, folder)
    else:
        write(folder / "trials.csv", None, [])
    settled = chosen(recipe, best)
    write_json(folder / "chosen.json", settled.model_dump())
    write_json(folder / CODE, stage.code())
    write_json(folder / "pretrained.json", fingerprint(settled.model))


def _search(stage: Stage[Params], folder: Path) -> Trial:
    """Run the study, write its trials, and return the chosen one."""
    params, spec = stage.params, StudySpec.of(stage.params, stage.key)
    earlier = read(Path(spec.search.warm_start), spec) if spec.search.warm_start else []
    with open_engine(params.execution, of_a_trial(params.hardware)) as engine:
        fits = Fits(params, spec, engine, stage.spool, stage.work)
        trials = search(
            spec,
            open_journal(stage.work / "study.journal"),
            stage.work,
            fits,
            lambda settings: costs(params, override(spec.recipe, settings), stage.inputs),
            earlier,
        )
    write(folder / "trials.csv", spec, trials)
    best, front = choose(spec, trials)
    write_json(folder / "study.json", _summary(spec, best, front))
    stage.spool.record(
        {
            objective.metric: value
            for objective, value in zip(spec.objectives, best.values, strict=True)
        }
    )
    return best


def _summary(spec: StudySpec, best: Trial, front: list[Trial]) -> dict[str, object]:
    return {
        "objectives": {
            column(objective.metric): objective.direction for objective in spec.objectives
        },
        "sampler": spec.search.sampler.name,
        "pruner": spec.search.pruner.name if spec.search.pruner else None,
        "chosen": best.number,
        "front": [trial.number for trial in front],
    }


if __name__ == "__main__":
    run("search", parse_params, main)
