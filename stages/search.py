"""Choose one recipe's settings in an Optuna study."""

import csv

from pipeline.config.load import parse_params
from pipeline.config.params import Params, monitor
from pipeline.config.types import Value
from pipeline.core.files import write_json
from pipeline.core.paths import CODE
from pipeline.core.stage import Stage, run
from pipeline.execution.job import Job
from pipeline.search.pretrained import fingerprint
from pipeline.search.study import Trial, chosen, search
from pipeline.search.trials import run_together, trial


def main(stage: Stage[Params]) -> None:
    recipe, watched = stage.params.recipes[stage.key], monitor(stage.params.task)
    trials: list[Trial] = []
    if recipe.search:
        trials = search(
            recipe, lambda asked: run_together(dict(_job(stage, *a) for a in asked), watched)
        )
    folder, settled = stage.outputs.search(stage.key), chosen(recipe, trials)
    write_json(folder / "chosen.json", settled.model_dump())
    write_json(folder / CODE, stage.code())
    write_json(folder / "pretrained.json", fingerprint(settled.model))
    _write_table(stage, trials, watched)


def _job(stage: Stage[Params], number: int, settings: dict[str, Value]) -> tuple[str, Job]:
    """Return the name of a trial for errors, and its fit."""
    params = {key: str(value) for key, value in settings.items()}
    spool = stage.spool.nested(f"trial_{number:03d}", {"params": params})
    job = trial(stage.params, stage.key, number, settings, spool=spool, work=stage.work)
    return f"trial {number} {settings}", job


def _write_table(stage: Stage[Params], trials: list[Trial], watched: str) -> None:
    keys = sorted({key for trial in trials for key in trial.settings})
    with (stage.outputs.search(stage.key) / "trials.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["trial", watched.replace("/", "_"), *keys])
        for trial in trials:
            values = [trial.settings.get(key, "") for key in keys]
            table.writerow([trial.number, trial.value, *values])
    if trials:
        stage.spool.record({watched: min(trial.value for trial in trials)})


if __name__ == "__main__":
    run("search", parse_params, main)
