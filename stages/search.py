"""Choose one recipe's settings in an Optuna study."""

from pathlib import Path

from pipeline.config.class_names import check_class_names
from pipeline.config.components import component_code, require_current
from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.config.recipes import Recipe
from pipeline.core.artifacts import Card
from pipeline.core.dvcfile import content_hash
from pipeline.core.files import write_json
from pipeline.core.paths import CODE
from pipeline.core.stage import Stage, run
from pipeline.search.choice import choose, chosen, kept
from pipeline.search.fits import Fits
from pipeline.search.given_up import keep_trials
from pipeline.search.importance import importances
from pipeline.search.pretrained import fingerprint
from pipeline.search.session import Session, run_session
from pipeline.search.spec import StudySpec
from pipeline.search.table import column, write
from pipeline.search.trial import Trial


def main(stage: Stage[Params]) -> None:
    require_current(stage.params, stage.inputs, stage.key)
    check_class_names(stage.params, Card.load(stage.inputs.card).classes)
    recipe, folder = stage.params.recipes[stage.key], stage.outputs.search(stage.key)
    best: Trial | None = None
    if recipe.search:
        best = _search(stage, folder)
    else:
        write(folder / "trials.csv", (), "", [])
    _write(stage, folder, chosen(recipe, best))


def _write(
    stage: Stage[Params], folder: Path, settled: Recipe, weights: dict[str, str] | None = None
) -> None:
    """Write what a member is made of: its recipe, the code, and the weights it starts from.

    Of all models and losses that the search may have chosen, the code has those of the recipe.

    Args:
        weights: the hashes of further weights, by name.
    """
    write_json(folder / "chosen.json", settled.model_dump())
    write_json(folder / CODE, {**stage.code(), **component_code(settled)})
    write_json(folder / "pretrained.json", {**fingerprint(settled.model), **(weights or {})})


def _search(stage: Stage[Params], folder: Path) -> Trial:
    """Run the study, write its trials, and return the chosen one."""
    spec = StudySpec.of(stage.params, stage.key)

    def keep(fits: Fits, trials: list[Trial]) -> None:
        _keep(stage, folder, spec, fits, kept(spec, trials))

    trials = run_session(Session(stage.params, spec, stage.own, stage.spool, stage.inputs), keep)
    write(folder / "trials.csv", spec.metrics, spec.monitor, trials)
    best, front = choose(spec, trials)
    write_json(folder / "study.json", _summary(spec, trials, best, front))
    stage.spool.record(
        {
            objective.metric: value
            for objective, value in zip(spec.objectives, best.values, strict=True)
        }
    )
    return best


def _keep(
    stage: Stage[Params], folder: Path, spec: StudySpec, fits: Fits, trials: list[Trial]
) -> None:
    """Write the networks of trials, each as a recipe of its own that members can name."""
    networks = fits.networks(trials)
    for place, trial in enumerate(trials, start=1):
        own = folder / f"best_{place}"
        own.mkdir(parents=True)
        networks[trial.number].replace(own / "fold_0")
        weights = {"fold_0": content_hash(own / "fold_0")}
        _write(stage, own, chosen(spec.recipe, trial), weights)
        write_json(own / "trial.json", {"number": trial.number})


def _summary(
    spec: StudySpec, trials: list[Trial], best: Trial, front: list[Trial]
) -> dict[str, object]:
    return {
        "objectives": {
            column(objective.metric): objective.direction for objective in spec.objectives
        },
        "sampler": spec.search.sampler.name,
        "pruner": spec.search.pruner.name if spec.search.pruner else None,
        "chosen": best.number,
        "front": [trial.number for trial in front],
        "importances": importances(spec, trials),
    }


if __name__ == "__main__":
    run("search", parse_params, main, keep_trials)
