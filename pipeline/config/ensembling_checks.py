"""Rules for the section `ensemble` that involve other sections."""

from typing import Any

from pipeline.config.ensembling import (
    SHARES_ROUNDING,
    ClassShares,
    Sets,
    fitting,
    needs_class_shares,
    suits,
)
from pipeline.config.params import Params
from pipeline.core.component import names
from pipeline.core.errors import UserError, nearest, shown


def check_ensemble(params: Params, origin: str) -> None:
    """Check methods, calibrators and decisions: members would otherwise be trained first.

    Raises:
        UserError: two values do not fit each other.
    """
    for one in (_methods_fit, _calibrators_have_shares, _decisions_fit, _sets_fit):
        one(params, origin)


def _methods_fit(params: Params, origin: str) -> None:
    """Check that methods and calibrators are unique, fit the task and share no member's name."""
    ensemble, task = params.ensemble, params.task
    for key, family, listed in (
        ("methods", "method", ensemble.methods),
        ("calibrators", "calibrator", ensemble.calibrators),
    ):
        found = [component.name for component in listed or ()]
        for component in listed or ():
            if found.count(component.name) > 1:
                raise UserError(
                    f"{origin}: ensemble.{key}: got {component.name!r} twice; allowed once"
                )
            if not suits(component, task):
                allowed = [other.name for other in fitting(family, None, task)]
                raise UserError(
                    f"{origin}: ensemble.{key}: got {component.name!r}, which does not support "
                    f"task {task.name}; {nearest(component.name, allowed)}"
                )
    for name in names("method"):
        if name in params.networks:
            sections = ("members", "soups", "distil")
            key = next(section for section in sections if name in getattr(params, section))
            raise UserError(
                f"{origin}: {key}.{name}: may not have the name of an ensemble method; rename it"
            )


def _calibrators_have_shares(params: Params, origin: str) -> None:
    for calibrator in params.ensemble.calibrators or ():
        if needs_class_shares(calibrator) and params.ensemble.class_shares == "as_found":
            raise UserError(
                f"{origin}: ensemble.calibrators: got {calibrator.name!r} with "
                "ensemble.class_shares as_found; allowed with uniform, or a share for each class"
            )


def _decisions_fit(params: Params, origin: str) -> None:
    """Check what needs no data: members would otherwise be trained first."""
    task: Any = params.task
    settings = params.ensemble
    for key in ("costs", "positive_class"):
        given = getattr(settings, key)
        if given is not None and task.KIND != "classes":
            raise UserError(
                f"{origin}: ensemble.{key}: got {shown(given)}; allowed null with task {task.name}"
            )
    shape = [len(settings.costs or ()), *sorted({len(row) for row in settings.costs or ()})]
    if settings.costs is not None and (len(shape) != 2 or shape[0] != shape[1] or shape[0] < 2):
        raise UserError(
            f"{origin}: ensemble.costs: got {shape[0]} rows of "
            f"{' or '.join(map(str, shape[1:])) or 'no'} costs; allowed one row and one column for "
            "each class"
        )
    if settings.class_shares != "as_found":
        _shares_fit(settings.class_shares, task, origin)
    if task.name != "binary":
        return
    if settings.costs is not None and len(settings.costs) != 2:
        raise UserError(
            f"{origin}: ensemble.costs: got {shape[0]} rows; allowed 2 with task binary"
        )
    if settings.threshold == "f1" and settings.positive_class is None and settings.costs is None:
        raise UserError(
            f"{origin}: ensemble.positive_class: got null with ensemble.threshold f1, which "
            "differs between the classes; allowed one of the two classes"
        )


def _shares_fit(shares: ClassShares, task: Any, origin: str) -> None:
    key = f"{origin}: ensemble.class_shares"
    if task.KIND != "classes":
        raise UserError(f"{key}: got {shown(shares)}; allowed as_found with task {task.name}")
    total = 1.0 if isinstance(shares, str) else sum(shares.values())
    if abs(total - 1) > SHARES_ROUNDING:
        raise UserError(f"{key}: got shares that sum to {total:g}; allowed a sum of 1")


def _sets_fit(params: Params, origin: str) -> None:
    task: Any = params.task
    if task.KIND != "classes" and params.ensemble.sets != Sets():
        raise UserError(
            f"{origin}: ensemble.sets: got values with task {task.name}; allowed only for tasks "
            "with classes; remove it"
        )
