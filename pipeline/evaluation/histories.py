"""Learning curves: the monitored metric of each network by epoch."""

import csv
from pathlib import Path
from typing import NamedTuple


class Epoch(NamedTuple):
    """One epoch of one member, of one of its folds, or of a student."""

    member: str
    epoch: int
    figure: float


def histories(folders: dict[str, Path], monitor: str) -> list[Epoch]:
    """Return the history of every member, or of every fold of it where there are several.

    Args:
        folders: the folder of each one's networks.
        monitor: the column of the monitored metric, such as `val/log_loss`.
    """
    found = []
    for member, folder in folders.items():
        paths = sorted(folder.glob("fold_*/history.csv"))
        for path in paths:
            fold = f" {path.parent.name.replace('_', ' ')}" if len(paths) > 1 else ""
            with path.open(newline="") as file:
                found += [
                    Epoch(f"{member}{fold}", int(float(row["epoch"])), float(row[monitor]))
                    for row in csv.DictReader(file)
                    if row[monitor]
                ]
    return found
