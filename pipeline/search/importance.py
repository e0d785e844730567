"""How much each axis decides about the objective."""

from collections.abc import Sequence

import optuna
from optuna.importance import get_param_importances
from optuna.trial import create_trial

from pipeline.search.bench import Bench
from pipeline.search.space import SearchSpace
from pipeline.search.spec import StudySpec
from pipeline.search.trial import Trial

FEWEST_TRIALS = 10  # below, the best tenth is a single trial


def importances(spec: StudySpec, trials: Sequence[Trial]) -> dict[str, float]:
    """Return the share of each axis in what sets the best tenth of trials apart from all.

    S. Watanabe et al., PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
    Subspaces, 2023. With several objectives, the best trials are those that fewest others dominate.

    Returns:
        Shares that add up to 1; nothing for a study with too few complete trials.
    """
    space = SearchSpace(spec.search.space)
    complete = [trial for trial in trials if trial.state == "COMPLETE"]
    if len(complete) < FEWEST_TRIALS:
        return {}
    frozen = [
        create_trial(
            values=list(trial.values),
            params=space.encode(trial.settings),
            distributions={key: space.distributions[key] for key in trial.settings},
        )
        for trial in complete
    ]
    study: optuna.Study = Bench(spec, frozen).study
    return {key: round(share, 4) for key, share in get_param_importances(study).items()}
