"""Refit an ensemble without one of its members, to measure what the member adds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.core.component import Component
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.cross_fitting import Validation, fit


def without(
    method: Component,
    whole: Combiner,
    predictions: np.ndarray,
    val: Validation,
    asked: Sequence[str],
) -> dict[str, Combiner]:
    """Refit the ensemble without each member in `asked`; return the results by member name.

    Args:
        whole: the ensemble; its calibrator is kept.
        predictions: predictions of validation; the first axis is that of the ensemble's members.
    """
    kept = replace(val, calibrators=[c for c in val.calibrators if c.name == whole.calibrator])
    return {
        member: fit(
            method,
            [other for other in whole.members if other != member],
            np.delete(predictions, whole.members.index(member), axis=0),
            kept,
        ).combiner
        for member in asked
    }
