"""One search as the report reads it: its table of trials and its summary."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.evaluation.tables import Row


@dataclass(frozen=True)
class StudyTrials:
    """The trials of a recipe's search."""

    recipe: str
    rows: list[Row]
    summary: dict[str, Any]
    """The content of study.json."""

    @cached_property
    def objectives(self) -> list[str]:
        """The columns of the objectives."""
        return list(self.summary["objectives"])

    @property
    def objective(self) -> str:
        """The column of the first objective."""
        return self.objectives[0]

    @property
    def sign(self) -> int:
        """1 where a lower objective is better, otherwise -1."""
        return -1 if self.summary["objectives"][self.objective] == "maximize" else 1

    @cached_property
    def metrics(self) -> list[str]:
        """The columns of all metrics, objectives first."""
        others = [key for key in list(self.rows[0])[3:] if "." not in key]
        return [*self.objectives, *(key for key in others if key not in self.objectives)]

    @cached_property
    def keys(self) -> list[str]:
        """The settings that were searched: the columns whose heading has a dot."""
        return [key for key in self.rows[0] if "." in key]

    @property
    def front(self) -> list[int]:
        """The trials of the Pareto front."""
        return list(self.summary["front"])

    @property
    def importances(self) -> dict[str, float]:
        """The share of each setting in what makes a trial good; empty after few trials."""
        return dict(self.summary["importances"])

    def scored(self, metric: str) -> list[tuple[Row, float]]:
        """Return the trials that have a value; one that failed has none."""
        return [(row, float(row[metric])) for row in self.rows if row[metric]]

    def look(self, row: Row) -> str:
        """Return the style class of a trial."""
        return "ensemble" if self._is_chosen(row) else "member"

    def rank(self, row: Row) -> str:
        """Return what there is to say about a trial."""
        if self._is_chosen(row):
            return "chosen"
        return "on the front" if int(row["trial"]) in self.front else ""

    def called(self, row: Row, value: float, key: str = "") -> str:
        """Return the title of a trial: its number, one of its settings, its value."""
        setting = f": {key} = {row[key]}" if key else f" ({row['state'].lower()})"
        return f"trial {row['trial']}{setting}, {value:.4g}"

    def _is_chosen(self, row: Row) -> bool:
        return bool(row["trial"] == f"{self.summary['chosen']}")
