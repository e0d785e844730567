"""How the members learned: the figure that training watched, by epoch."""

import csv
from typing import NamedTuple

from pipeline.artifacts import Layout


class Epoch(NamedTuple):
    """Of one member, or of one fold of it."""

    member: str
    epoch: int
    figure: float


def histories(inputs: Layout, members: list[str], monitor: str) -> list[Epoch]:
    """Of every member; of every fold of it, where there are several.

    Args:
        monitor: the figure's column, such as `val/log_loss`.
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
