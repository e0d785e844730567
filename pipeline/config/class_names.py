"""What the section `ensemble` says about single classes, which only the data shows to be right."""

from collections.abc import Sequence
from typing import Any

from pipeline.config.ensembling import Ensembling
from pipeline.config.params import Params
from pipeline.core.errors import UserError, nearest


def check_class_names(params: Params, classes: Sequence[str]) -> None:
    """Check costs, the positive class and shares against the classes of the data.

    Stages that train ask this first: the ensemble would otherwise be refused after all training.

    Raises:
        UserError: one of them speaks of other classes.
    """
    task: Any = params.task
    if task.KIND == "classes":
        for one in (_costs_fit, _positive_class_fits, _shares_fit):
            one(params.ensemble, classes)


def _costs_fit(settings: Ensembling, classes: Sequence[str]) -> None:
    costs = settings.costs
    if costs is None:
        return
    shape = [len(costs), *sorted({len(row) for row in costs})]
    if shape != [len(classes)] * 2:
        raise UserError(
            f"ensemble.costs: got {shape[0]} rows of {' or '.join(map(str, shape[1:]))} costs; "
            f"allowed {len(classes)} rows of {len(classes)}, in the order {', '.join(classes)}"
        )


def _positive_class_fits(settings: Ensembling, classes: Sequence[str]) -> None:
    key, name = "ensemble.positive_class", settings.positive_class
    if len(classes) != 2:
        if name is not None:
            raise UserError(f"{key}: got {name!r}; allowed null except with two classes")
    elif name is None:
        if settings.threshold == "f1" and settings.costs is None:
            raise UserError(
                f"{key}: got null with ensemble.threshold f1, which differs between the classes; "
                f"allowed {' or '.join(classes)}"
            )
    elif name not in classes:
        raise UserError(f"{key}: got {name!r}; {nearest(name, classes)}")


def _shares_fit(settings: Ensembling, classes: Sequence[str]) -> None:
    shares = settings.class_shares
    if not isinstance(shares, str) and set(shares) != set(classes):
        raise UserError(
            f"ensemble.class_shares: got shares of {', '.join(shares)}; allowed one for each of "
            f"{', '.join(classes)}"
        )
