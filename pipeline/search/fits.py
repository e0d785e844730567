"""Trials as fits, each in a process of its own with fixed settings."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pipeline.config.hardware import Hardware
from pipeline.config.params import Params
from pipeline.config.recipes import Recipe, override
from pipeline.config.search import Settings
from pipeline.core.artifacts import Card
from pipeline.core.component import load
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.paths import Layout
from pipeline.core.run_log import METRICS_FILE, Figure, Spool
from pipeline.execution.engine import Engine
from pipeline.execution.job import Job
from pipeline.execution.messages import Diverged, FitError, Killed
from pipeline.search.spec import StudySpec
from pipeline.search.trial import Ended, Fit, History, Trial

SPOOL = "spool"
"""What was logged when the last fit of a trial ended, in the trial's folder."""


class Fits:
    """Runs the fits of a search on an engine.

    Args:
        spool: the run of the search, which gets a nested run for each trial.
        work: a folder that survives if the search is killed. A fit that starts again resumes from
            its checkpoint.
    """

    def __init__(
        self, params: Params, spec: StudySpec, engine: Engine, spool: Spool, work: Path
    ) -> None:
        self._params, self._spec, self._engine = params, spec, engine
        self._spool, self._work = spool, work

    def run(self, fits: Iterable[Fit]) -> Iterator[tuple[Fit, Ended]]:
        """Run fits as there is room for them, and yield each as it ends.

        Raises:
            UserError: the recipe does not allow the settings of a trial, or a fit refuses to run.
        """
        known: dict[str, Fit] = {}

        def jobs() -> Iterator[Job]:
            for fit in fits:
                job = self._job(fit)
                known[job.folder] = fit
                yield job

        for job, error in self._engine.run(jobs()):
            fit = known.pop(job.folder)
            yield fit, self._ended(fit, job, error)

    def networks(self, trials: Iterable[Trial]) -> dict[int, Path]:
        """Return the folder of each trial's network, by its number.

        A fit that has ended only has to read its checkpoints to write it.
        """
        epochs, found, jobs = self._spec.search.epochs, dict[int, Path](), list[Job]()
        for trial in trials:
            job = self._job(Fit(trial.number, trial.settings, 0, epochs))
            network = f"{Path(job.folder) / 'network'}"
            jobs.append(job.model_copy(update={"network": network}))
            found[trial.number] = Path(network)
        for job, error in self._engine.run(jobs):
            if error:
                raise UserError(f"{job.title}: {error}")
        return found

    def restore(self, trials: Iterable[Trial]) -> None:
        """Log again what the fits of earlier sessions have logged."""
        for trial in trials:
            held = self._folder(trial.number) / SPOOL
            if held.is_dir():
                shutil.copytree(
                    held, self._run_of(trial.number, trial.settings).folder, dirs_exist_ok=True
                )

    def close(self, trials: Iterable[Trial]) -> None:
        """Mark the run of each trial with its state and, where it failed, the error."""
        for trial in trials:
            tags: dict[str, str] = {"state": trial.state}
            if trial.error or trial.remark:
                tags["error" if trial.error else "remark"] = trial.error or trial.remark
            run = self._run_of(trial.number, trial.settings)
            run.tag(tags)
            self._show(trial, run)

    def _show(self, trial: Trial, run: Spool) -> None:
        """Log what the fits of a trial have recorded, where another worker has run them."""
        for fold, history in trial.histories.items():
            has_folds = self._spec.search.folds > 1
            spool = _nested(run, f"fold_{fold}", {}) if has_folds else run
            if _history(spool) != history:
                spool.rewrite(
                    [
                        Figure(name, values[epoch], epoch)
                        for epoch in range(len(history[self._spec.monitor]))
                        for name, values in history.items()
                    ]
                )

    def _job(self, fit: Fit) -> Job:
        """Describe a fit: one device and one thread, as trials share the machine.

        Its folder holds the file of the job; that of a trial with several folds has one for each.
        """
        search = self._spec.search
        run, folder = self._run_of(fit.number, fit.settings), self._folder(fit.number)
        title = f"search {self._spec.name} trial {fit.number}"
        if search.folds > 1:
            title += f" fold {fit.fold}"
            run, folder = _nested(run, f"fold_{fit.fold}", {}), folder / f"fold_{fit.fold}"
        return Job(
            title=title,
            recipe=_recipe(self._spec, fit),
            task=self._params.task,
            hardware=of_a_trial(self._params.hardware),
            seed=search.seed,
            until_epoch=fit.until_epoch if fit.until_epoch < search.epochs else None,
            fold=fit.fold,
            is_first=fit.number == 0 and fit.fold == 0,
            folder=f"{folder}",
            spool=f"{run.folder}",
        )

    def _ended(self, fit: Fit, job: Job, error: Exception | None) -> Ended:
        if error is not None and not isinstance(error, Diverged | FitError | Killed):
            raise UserError(f"{_called(fit)}: {error}") from None
        history = _history(Spool(Path(job.spool)))
        self._keep(fit.number)
        if error is None:
            return Ended(history)
        kind = "diverged" if isinstance(error, Diverged) else "crashed"
        return Ended(history, kind, f"{error}")  # type: ignore[arg-type]

    def _keep(self, number: int) -> None:
        """Copy what a trial has logged to where it survives."""
        held = self._folder(number) / SPOOL
        unfinished = held.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(self._spool.folder / _name(number), unfinished)
        shutil.rmtree(held, ignore_errors=True)
        unfinished.rename(held)

    def _run_of(self, number: int, settings: Settings) -> Spool:
        params = {key: str(value) for key, value in settings.items()}
        return _nested(self._spool, _name(number), {"params": params})

    def _folder(self, number: int) -> Path:
        return self._work / _name(number)


def of_a_trial(hardware: Hardware) -> Hardware:
    """Return the hardware of one trial: one device and one thread, as trials share the machine."""
    return hardware.on_one_device().model_copy(update={"threads": 1})


def costs(params: Params, recipe: Recipe, inputs: Layout) -> Mapping[str, float]:
    """Return what a recipe's network costs."""
    from pipeline.augmentation.freeze import policy_of
    from pipeline.models.cost import cost  # torch takes seconds to import
    from pipeline.models.network import Network

    stored = read_json(inputs.augmentation / "policy.json")
    shape = tuple(policy_of(stored, recipe.policy)["output_shape"])
    num_outputs = load("task", params.task).num_outputs(len(Card.load(inputs.card).classes))
    found = cost(Network.build(recipe.model, shape, num_outputs))
    return {"multiply_adds": found.multiply_adds, "num_parameters": found.num_parameters}


def _recipe(spec: StudySpec, fit: Fit) -> Recipe:
    try:
        found = override(spec.recipe, {**fit.settings, "training.epochs": spec.search.epochs})
    except UserError as error:
        raise UserError(f"{_called(fit)}: {error}") from None
    return found.model_copy(update={"search": None})


def _called(fit: Fit) -> str:
    return f"trial {fit.number} {fit.settings}"


def _name(number: int) -> str:
    return f"trial_{number:03d}"


def _nested(run: Spool, name: str, identity: dict[str, object]) -> Spool:
    """Return a run inside another; one that is open already stays as it is."""
    if (run.folder / name / METRICS_FILE).is_file():
        return Spool(run.folder / name)
    return run.nested(name, identity)


def _history(spool: Spool) -> History:
    """Return the validation metrics of all epochs that are complete."""
    found: History = {}
    for figure in spool.figures():
        if figure.name.startswith("val/"):
            found.setdefault(figure.name, []).append(figure.value)
    return found
