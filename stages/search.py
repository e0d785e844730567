"""Choose one recipe's settings by an Optuna study."""

import csv

from pipeline.artifacts import write_json
from pipeline.params import Value
from pipeline.search.study import Trial, chosen, search
from pipeline.search.trials import Job, run_together
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    recipe = stage.params.recipes[stage.key]
    trials: list[Trial] = []
    if recipe.search:
        trials = search(recipe, lambda asked: run_together([_job(stage, *a) for a in asked]))
    folder = stage.outputs.search(stage.key)
    write_json(folder / "chosen.json", chosen(recipe, trials).model_dump())
    _write_table(stage, trials)


def _job(stage: Stage, number: int, settings: dict[str, Value]) -> Job:
    name = f"trial_{number:03d}"
    params = {key: str(value) for key, value in settings.items()}
    spool = stage.spool.nested(name, {"params": params})
    return Job(
        tree=stage.params.model_dump(),
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
