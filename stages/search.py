"""Choose one recipe's settings by an Optuna study."""

import csv

from pipeline.artifacts import write_json
from pipeline.search.study import Trial, chosen, search
from pipeline.search.trials import Job, processes, tree_of
from pipeline.search.trials import run as run_trial
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    recipe = stage.params.recipes[stage.key]
    trials: list[Trial] = []
    if recipe.search:
        with processes(recipe.search.parallel) as pool:
            trials = search(recipe, lambda asked: list(pool.map(run_trial, _jobs(stage, asked))))
    folder = stage.outputs.search(stage.key)
    write_json(folder / "chosen.json", chosen(recipe, trials).model_dump())
    _write_table(stage, trials)


def _jobs(stage: Stage, asked: list[tuple[int, dict[str, bool | int | float | str]]]) -> list[Job]:
    return [_job(stage, number, settings) for number, settings in asked]


def _job(stage: Stage, number: int, settings: dict[str, bool | int | float | str]) -> Job:
    name = f"trial_{number:03d}"
    params = {key: str(value) for key, value in settings.items()}
    spool = stage.spool.nested(name, {"params": params})
    return Job(
        tree=tree_of(stage.params),
        recipe=stage.key,
        number=number,
        settings=settings,
        spool=spool.folder,
        scratch=stage.scratch / name,
    )


def _write_table(stage: Stage, trials: list[Trial]) -> None:
    keys = sorted({key for trial in trials for key in trial.settings})
    with (stage.outputs.search(stage.key) / "trials.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["trial", "val_log_loss", *keys])
        for trial in trials:
            values = [trial.settings.get(key, "") for key in keys]
            table.writerow([trial.number, trial.val_log_loss, *values])
    if trials:
        stage.spool.record({"val/log_loss": min(trial.val_log_loss for trial in trials)})


if __name__ == "__main__":
    run("search", main)
