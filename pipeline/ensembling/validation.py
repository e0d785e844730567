"""The members' predictions of a split, and the validation data that all systems are fitted on."""

from collections.abc import Sequence

import numpy as np

from pipeline.config.class_names import check_class_names
from pipeline.config.ensembling import fitting, needs_class_shares
from pipeline.config.networks import predictions_of
from pipeline.config.params import Params
from pipeline.core.artifacts import Card, Pool, Predictions, Samples
from pipeline.core.component import load
from pipeline.core.paths import Layout
from pipeline.ensembling import class_shares
from pipeline.ensembling.cross_fitting import Validation
from pipeline.ensembling.decisions import choose, positive_index
from pipeline.ensembling.folds import folds
from pipeline.ensembling.practicable import practicable
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.ensembling.truth import Truth


def pooled(
    inputs: Layout, members: Sequence[str], split: str, params: Params
) -> tuple[Pool, np.ndarray]:
    """Gather all members: stored logits, and predictions (see prediction_type.py)."""
    paths = {member: predictions_of(inputs, member, split, params.distil) for member in members}
    pool = Pool.gather({member: Predictions.load(path) for member, path in paths.items()})
    scale = Card.load(inputs.card).target_scale
    return pool, load("task", params.task).predictions(pool.logits, *scale)


def validation(inputs: Layout, pool: Pool, params: Params) -> Validation:
    """Return how systems are fitted, evaluated, calibrated and decided on the samples of `pool`.

    Raises:
        UserError: costs, the positive class or shares speak of other classes, or a class with a
            share has no sample.
    """
    settings, card = params.ensemble, Card.load(inputs.card)
    prediction_type = PredictionType(load("task", params.task).Params.KIND, card.target_scale)
    check_class_names(params, card.classes)
    positive = positive_index(settings, card.classes)
    units = Samples.load(inputs.trainval).of(pool.ids).units
    weights = class_shares.weights(settings.class_shares, card.classes, pool.targets, "validation")
    truth = Truth(pool.targets, units, weights)
    listed = fitting("calibrator", settings.calibrators, params.task)
    if settings.calibrators is None and truth.is_even:
        listed = tuple(each for each in listed if not needs_class_shares(each))
    calibrators, notes = practicable(listed, len(card.classes))
    return Validation(
        prediction_type,
        truth,
        folds(units, settings.num_folds, settings.seed),
        calibrators,
        lambda held_out: choose(
            prediction_type.kind,
            held_out,
            truth,
            goal=settings.threshold,
            positive=positive,
            costs=settings.costs,
            coverage=settings.coverage,
        ),
        notes,
    )
