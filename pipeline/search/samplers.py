"""Optuna's samplers, as the parameters choose them."""

import warnings

import optuna
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from pipeline.config.search import CMAES, GP, QMC, TPE, Search

optuna.logging.set_verbosity(optuna.logging.ERROR)  # it advises on what is meant to be so
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
warnings.filterwarnings("ignore", "Clip non-finite values")  # of trials that diverged


def build(search: Search) -> BaseSampler:
    """Return the sampler, in the state before its first suggestion."""
    chosen, seed = search.sampler, search.seed
    if isinstance(chosen, TPE):
        return TPESampler(seed=seed, n_startup_trials=chosen.startup_trials, constant_liar=True)
    if isinstance(chosen, GP):
        return GPSampler(seed=seed, n_startup_trials=chosen.startup_trials)
    if isinstance(chosen, CMAES):
        return CmaEsSampler(seed=seed, popsize=chosen.population)
    if isinstance(chosen, QMC):
        return QMCSampler(seed=seed, scramble=True)
    return RandomSampler(seed=seed)  # a grid is planned beforehand and asks for nothing
