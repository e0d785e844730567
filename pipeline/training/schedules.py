"""Learning-rate schedules as functions of the step: no state, so nothing to resume wrongly.

All but one-cycle rise linearly during their warm-up, and begin when it ends.
"""

import math
from collections.abc import Sequence

from pipeline.config import optimisation as settings

RISE = 0.3  # as a fraction of a cycle


def factor(
    chosen: settings.Schedule,
    step: int,
    *,
    steps_per_epoch: int,
    num_epochs: int,
    history: Sequence[float] = (),
) -> float:
    """Return the factor of `training.lr`, in [0, 1].

    Args:
        step: the optimiser's step, from 0.
        history: the monitored metric of each completed epoch, lower is better; only plateau reads
            it.
    """
    num_steps = steps_per_epoch * num_epochs
    if isinstance(chosen, settings.OneCycle):
        rise_epochs = RISE * num_epochs if chosen.warmup_epochs is None else chosen.warmup_epochs
        return one_cycle(chosen, step, rise_epochs * steps_per_epoch, num_steps)
    num_warmup = round(chosen.warmup_epochs * steps_per_epoch)
    if step < num_warmup:
        return (step + 1) / num_warmup
    match chosen:
        case settings.Constant():
            return 1.0
        case settings.StepDecay(milestones_epochs=milestones, gamma=gamma):
            return gamma ** sum(step >= round(m * steps_per_epoch) for m in milestones)
        case settings.Cosine(floor=floor):
            return cosine(1.0, floor, (step - num_warmup) / max(1, num_steps - num_warmup))
        case settings.Plateau():
            return plateau(chosen, history)


def cosine(start: float, end: float, progress: float) -> float:
    """Return half a cosine wave from `start`, at a progress of 0, to `end`, at 1 and beyond."""
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, progress))) / 2


def one_cycle(chosen: settings.OneCycle, step: int, num_rising: float, num_steps: int) -> float:
    """Rise to 1 in `num_rising` steps, then fall until the last of `num_steps`."""
    peak, last = num_rising - 1, num_steps - 1
    if step < peak:
        return cosine(chosen.start, 1.0, step / peak)
    return cosine(1.0, chosen.end, (step - max(0.0, peak)) / max(1.0, last - max(0.0, peak)))


def plateau(chosen: settings.Plateau, history: Sequence[float]) -> float:
    """Lower the rate once for each run of more than `patience` epochs without an improvement."""
    best, num_worse, num_falls = math.inf, 0, 0
    for figure in history:
        if figure < best * (1 - chosen.threshold):
            best, num_worse = figure, 0
        else:
            num_worse += 1
        if num_worse > chosen.patience:
            num_falls, num_worse = num_falls + 1, 0
    return max(chosen.floor, chosen.gamma**num_falls)
