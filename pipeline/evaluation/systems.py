"""All systems with their output on test, and the evaluator that measures them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config.networks import system_of
from pipeline.config.params import Params
from pipeline.core.artifacts import Card, Pool, Samples
from pipeline.core.files import read_json
from pipeline.core.kind import Kind
from pipeline.core.paths import Layout
from pipeline.ensembling import class_shares
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.decisions import positive_index
from pipeline.ensembling.validation import pooled
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Bootstrap
from pipeline.evaluation.metrics import Metric, headline, metrics
from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.verdict import IN_UNITS

SHARE_MARGIN = 0.01
"""The margin of equivalence of headline metrics that are shares, unless the parameters name one."""


@dataclass(frozen=True)
class Tested:
    """The inputs of an evaluation."""

    evaluator: Evaluator
    pool: Pool
    """The stored predictions of the members and students on test."""
    samples: Samples
    predictions: dict[str, np.ndarray]
    """The predictions of each member and student on test, which combiners take."""
    combiners: dict[str, Combiner]
    systems: dict[str, SystemOutput]
    """The output of each member, ensemble and student on test."""
    members: list[str]
    ensembles: list[str]
    students: list[str]
    """Networks that have learned from the chosen ensemble; no ensemble has one as a member."""
    chosen: str
    """The ensemble selected on validation; `best_member` likewise."""
    best_member: str

    def kind_of(self, system: str) -> str:
        """Return `member`, `ensemble` or `student`."""
        if system in self.students:
            return "student"
        return "ensemble" if system in self.ensembles else "member"

    @property
    def std(self) -> tuple[float, ...]:
        """The standard deviation of each value over train; empty for classes and labels."""
        scale = self.combiners[self.chosen].prediction_type.scale
        return scale[1] if scale else ()

    @classmethod
    def read(cls, inputs: Layout, params: Params) -> "Tested":
        """Read what the stages have predicted and fitted."""
        choice, card = read_json(inputs.ensemble / "choice.json"), Card.load(inputs.card)
        members, ensembles = choice["members"], choice["ensembles"]
        students = list(params.distil)
        pool, made = pooled(inputs, [*members, *students], "test", params)
        predictions = dict(zip(pool.members, made, strict=True))
        combiners = {
            name: Combiner.load(system_of(inputs, name, params))
            for name in [*members, *ensembles, *students]
        }
        samples = Samples.load(inputs.test).of(pool.ids)
        kind = combiners[choice["chosen"]].prediction_type.kind
        return cls(
            evaluator=make_evaluator(kind, card, pool, samples, params),
            pool=pool,
            samples=samples,
            predictions=predictions,
            combiners=combiners,
            systems={name: outputs_of(own, predictions) for name, own in combiners.items()},
            members=members,
            ensembles=ensembles,
            students=students,
            chosen=choice["chosen"],
            best_member=choice["best_member"],
        )


def outputs_of(combiner: Combiner, predictions: dict[str, np.ndarray]) -> SystemOutput:
    """Return the output of one system from the predictions of (at least) its members."""
    made = combiner(predictions)
    widths = combiner.decision.half_widths
    return SystemOutput(made, combiner.decision(made), np.array(widths) if widths else None)


def make_evaluator(
    kind: Kind, card: Card, pool: Pool, samples: Samples, params: Params
) -> Evaluator:
    """Build the evaluator of a task for the samples of `pool`.

    Args:
        samples: the metadata of these samples, in the same order.
    """
    settings, decisions, classes = params.evaluation, params.ensemble, card.classes
    groups = samples.units
    weights = class_shares.weights(decisions.class_shares, classes, pool.targets, "test")
    compared_by = headline(kind, len(classes), decisions.threshold, decisions.costs)
    usual = None if compared_by in IN_UNITS else SHARE_MARGIN
    return Evaluator(
        kind,
        classes,
        pool.ids,
        pool.targets,
        groups,
        weights,
        metrics_of(kind, classes, params),
        compared_by,
        Bootstrap(groups, weights, settings.num_bootstrap, settings.confidence, settings.seed),
        settings.confidence,
        usual if settings.equivalence_margin is None else settings.equivalence_margin,
    )


def metrics_of(kind: Kind, classes: Sequence[str], params: Params) -> dict[str, Metric]:
    """Return the metrics that the parameters ask for, in the order of tables."""
    settings, decisions = params.evaluation, params.ensemble
    return metrics(
        kind,
        len(classes),
        num_bins=settings.num_bins,
        top_k=settings.top_k,
        costs=decisions.costs,
        positive=positive_index(decisions, classes),
    )
