"""The members' predictions of a split, and validation as all systems are fitted on it."""

from collections.abc import Sequence

import numpy as np

from pipeline.artifacts import Card, Layout, Pool, Predictions, Samples
from pipeline.component import load
from pipeline.decision import check_costs, choose
from pipeline.ensembling._fit import Validation, folds
from pipeline.params import Params, fitting
from pipeline.space import Space


def pooled(
    inputs: Layout, members: Sequence[str], split: str, params: Params
) -> tuple[Pool, np.ndarray]:
    """Of all members: what they give as it is stored, and as predictions; see pipeline.space."""
    paths = {member: inputs.predictions(member, split) for member in members}
    pool = Pool.gather({member: Predictions.load(path) for member, path in paths.items()})
    scale = Card.load(inputs.card).target_scale
    return pool, load("task", params.task).predictions(pool.logits, *scale)


def validation(inputs: Layout, pool: Pool, params: Params) -> Validation:
    """How systems are fitted, judged, calibrated and decided on the samples of `pool`.

    Raises:
        UserError: the costs do not fit the classes.
    """
    settings, card = params.ensemble, Card.load(inputs.card)
    space = Space(load("task", params.task).Params.KIND, card.target_scale)
    check_costs(settings.costs, space.kind, card.classes)
    groups = Samples.load(inputs.trainval).of(pool.ids).groups
    return Validation(
        space,
        pool.targets,
        folds(groups, settings.num_folds, settings.seed),
        fitting("calibrator", settings.calibrators, params.task),
        lambda held_out: choose(
            space.kind,
            held_out,
            pool.targets,
            goal=settings.threshold,
            costs=settings.costs,
            coverage=settings.coverage,
        ),
    )
