"""What all sections draw on: the systems, their metrics and the tables of other stages."""

import re
from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import Any

from pipeline.config.networks import system_of
from pipeline.config.params import Params
from pipeline.core.artifacts import Card
from pipeline.core.files import read_json
from pipeline.core.kind import Kind
from pipeline.core.paths import Layout
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.metrics import Metric
from pipeline.evaluation.systems import metrics_of
from pipeline.evaluation.tables import Row, read
from pipeline.evaluation.verdict import IN_UNITS
from pipeline.report import wording
from pipeline.report.blocks import Cell, text

BETWEEN_PARTS = r", (?![^\[]*\])"  # a comma outside brackets
MOST_SYSTEMS = 24
"""The most systems in a matrix; if there are more, the best by the headline metric are shown."""


@dataclass(frozen=True)
class Findings:
    """The results of other stages, read on demand."""

    inputs: Layout
    params: Params

    @cached_property
    def comparison(self) -> dict[str, Any]:
        found: dict[str, Any] = read_json(self.inputs.comparison)
        return found

    @cached_property
    def choice(self) -> dict[str, Any]:
        found: dict[str, Any] = read_json(self.inputs.ensemble / "choice.json")
        return found

    @cached_property
    def calibrators(self) -> dict[str, str]:
        """The calibrator of each system."""
        paths = {name: system_of(self.inputs, name, self.params) for name in self.systems}
        return {name: read_json(path)["calibrator"] for name, path in paths.items()}

    @cached_property
    def pairs(self) -> list[Row]:
        """The comparison of each pair of systems: the rows of the table `pairs`."""
        return self.table("pairs")

    @cached_property
    def prices(self) -> dict[str, Row]:
        """The cost of each system: the rows of the table `cost`."""
        return {row["system"]: row for row in self.table("cost")}

    @cached_property
    def card(self) -> Card:
        return Card.load(self.inputs.card)

    @property
    def kind(self) -> Kind:
        kind: Kind = self.comparison["kind"]
        return kind

    @property
    def headline(self) -> str:
        """The name of the metric that verdicts are based on."""
        name: str = self.comparison["headline"]
        return name

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics of the evaluation, in the order of tables."""
        return metrics_of(self.kind, self.card.classes, self.params)

    @property
    def higher_is_better(self) -> bool:
        return self.metrics[self.headline].higher_is_better

    @property
    def sign(self) -> int:
        """1 where a higher headline metric is better, otherwise -1."""
        return 1 if self.higher_is_better else -1

    @property
    def chosen(self) -> str:
        name: str = self.comparison["chosen"]
        return name

    @property
    def verdict(self) -> tuple[str, str]:
        """The finding and its certainty, as two parts of the sentence."""
        verdict = wording.with_minus(self.comparison["verdict"])
        found, *sure = re.split(BETWEEN_PARTS, verdict, maxsplit=1)
        return found, "".join(sure)

    @property
    def best_member(self) -> str:
        name: str = self.comparison["best_member"]
        return name

    @cached_property
    def systems(self) -> dict[str, dict[str, Estimate]]:
        """All metrics of every system, the best by the headline metric first."""
        found = {
            name: {metric: _estimate(figures[metric]) for metric in self.metrics}
            for name, figures in self.comparison["systems"].items()
        }
        order = sorted(
            found, key=lambda name: (-self.sign * found[name][self.headline].value, name)
        )
        return {name: found[name] for name in order}

    @property
    def gain(self) -> Estimate:
        """The chosen ensemble minus the best member, by the headline metric."""
        return _estimate(self.comparison["differences"][self.headline])

    @property
    def shown_systems(self) -> list[str]:
        """The systems that fit into a matrix."""
        needed = {self.chosen, self.best_member}
        others = [name for name in self.systems if name not in needed]
        kept = needed | set(others[: MOST_SYSTEMS - len(needed)])
        return [name for name in self.systems if name in kept]

    @property
    def only_best(self) -> str:
        """The note under a matrix that leaves systems out; empty otherwise."""
        left_out = len(self.systems) - len(self.shown_systems)
        return (
            f" Only the best {MOST_SYSTEMS} of {len(self.systems)} are shown." if left_out else ""
        )

    @property
    def num_samples(self) -> int:
        return self.systems[self.chosen][self.headline].num_samples

    def is_ensemble(self, name: str) -> bool:
        return name in self.choice["ensembles"]

    def look(self, name: str) -> str:
        """Return the kind of a system, which is its style class: member, ensemble or student."""
        if name in self.params.distil:
            return "student"
        return "ensemble" if self.is_ensemble(name) else "member"

    def name_cell(self, name: str) -> Cell:
        marks = {self.chosen: "chosen", self.best_member: "best member"}
        return text(name, self.look(name))._replace(detail=marks.get(name, ""))

    def table(self, name: str) -> list[Row]:
        """Return the rows of one table of reports/tables."""
        return read(self.inputs.tables / f"{name}.csv")

    @property
    def metric_name(self) -> str:
        return wording.words(self.headline)

    @property
    def factor(self) -> int:
        """The factor of displayed differences: percentage points, or the units of the values."""
        return 1 if self.headline in IN_UNITS else 100

    @property
    def unit(self) -> str:
        return "" if self.headline in IN_UNITS else ", in points"


def _estimate(figures: dict[str, Any]) -> Estimate:
    """Read an estimate from JSON, where null stands for NaN."""
    parts = (figures[name] for name in ("value", "low", "high"))
    value, low, high = (nan if part is None else float(part) for part in parts)
    return Estimate(value, low, high, figures["num_samples"])
