"""An interrupted study that is given up for other work: the table of its trials is kept."""

from pathlib import Path

import optuna

from pipeline.core.paths import SCRATCH
from pipeline.search.journal import JOURNAL, read_journal
from pipeline.search.record import MONITOR, PARTS, SPACE, trial_of
from pipeline.search.session import parts
from pipeline.search.table import write
from pipeline.search.team import difference


def keep_trials(recipe: str, work: Path) -> None:
    """Write the trials of the study in a folder that is about to be removed, and say where.

    Args:
        work: the folder of other code, parameters or data than the present ones.
    """
    if not (work / JOURNAL).is_file():
        return
    study = optuna.load_study(study_name=None, storage=read_journal(work / JOURNAL))
    about, names = study.user_attrs, study.metric_names
    trials = [trial_of(frozen) for frozen in study.get_trials(deepcopy=False)]
    num = sum(trial.state == "COMPLETE" for trial in trials)
    if not num or names is None:
        return
    bounds = [constraint["metric"] for constraint in about[SPACE]["constraints"]]
    table = SCRATCH / "trials" / f"{recipe}-{work.name}.csv"
    write(table, tuple(dict.fromkeys([*names, *bounds])), about[MONITOR], trials)
    print(
        f"search {recipe}: begins another study, as the one that was interrupted has "
        f"{difference(about[PARTS], parts(recipe))}; its table, with {num} complete trials, is "
        f"kept as {table}; to learn from it, copy it below data/weights and name it in "
        f"recipes.{recipe}.search.warm_start",
        flush=True,
    )
