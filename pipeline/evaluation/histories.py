"""Learning curves: the monitored metric of each member by epoch."""

import csv
from typing import NamedTuple

from pipeline.core.paths import Layout


class Epoch(NamedTuple):
    """One epoch of one member, or of one of its folds."""

    member: str
    epoch: int
    figure: float


def histories(inputs: Layout, members: list[str], monitor: str) -> list[Epoch]:
    """Return the history of every member, or of every fold of it where there are several.

    Args:
        monitor: the column of the monitored metric, such as `val/log_loss`.
    """
    found = []
    for member in members:
        paths = sorted(inputs.member(member).glob("fold_*/history.csv"))
        for path in paths:
            fold = f" {path.parent.name.replace('_', ' ')}" if len(paths) > 1 else ""
            with path.open(newline="") as file:
                found += [
                    Epoch(f"{member}{fold}", int(float(row["epoch"])), float(row[monitor]))
                    for row in csv.DictReader(file)
                    if row[monitor]
                ]
    return found
