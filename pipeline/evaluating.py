"""All systems, what they say of test, and the yardstick that they are measured by."""

from dataclasses import dataclass

import numpy as np

from pipeline.artifacts import Card, Layout, Pool, Samples, read_json
from pipeline.ensembling._combiner import Combiner
from pipeline.evaluation.answers import Answers
from pipeline.evaluation.intervals import Bootstrap, numbered
from pipeline.evaluation.metrics import metrics
from pipeline.evaluation.yardstick import Yardstick
from pipeline.params import Params
from pipeline.space import Kind
from pipeline.validation import pooled


@dataclass(frozen=True)
class Tested:
    """What an evaluation speaks of."""

    yardstick: Yardstick
    pool: Pool
    """What the members gave for test, as it is stored."""
    samples: Samples
    predictions: dict[str, np.ndarray]
    """Of test, by each member alone; what combiners take."""
    combiners: dict[str, Combiner]
    systems: dict[str, Answers]
    """Of test, by each member and each ensemble."""
    members: list[str]
    ensembles: list[str]
    chosen: str
    """The ensemble that validation named; `best_member` likewise."""
    best_member: str

    @property
    def std(self) -> tuple[float, ...]:
        """Of each value over train; empty for all else."""
        scale = self.combiners[self.chosen].space.scale
        return scale[1] if scale else ()

    @classmethod
    def read(cls, inputs: Layout, params: Params) -> "Tested":
        """From the outputs of `predict` and `ensemble`."""
        choice, card = read_json(inputs.ensemble / "choice.json"), Card.load(inputs.card)
        members, ensembles = choice["members"], choice["ensembles"]
        pool, made = pooled(inputs, members, "test", params)
        predictions = dict(zip(members, made, strict=True))
        combiners = {name: Combiner.load(inputs.system(name)) for name in [*members, *ensembles]}
        samples = Samples.load(inputs.test).of(pool.ids)
        kind = combiners[choice["chosen"]].space.kind
        return cls(
            yardstick=yardstick(kind, card, pool, samples, params),
            pool=pool,
            samples=samples,
            predictions=predictions,
            combiners=combiners,
            systems={name: answers(own, predictions) for name, own in combiners.items()},
            members=members,
            ensembles=ensembles,
            chosen=choice["chosen"],
            best_member=choice["best_member"],
        )


def answers(combiner: Combiner, predictions: dict[str, np.ndarray]) -> Answers:
    """Of one system, from the predictions of (at least) its members."""
    made = combiner(predictions)
    widths = combiner.decision.half_widths
    return Answers(made, combiner.decision(made), np.array(widths) if widths else None)


def yardstick(kind: Kind, card: Card, pool: Pool, samples: Samples, params: Params) -> Yardstick:
    """Of all metrics of a task, over the samples of `pool`.

    Args:
        samples: what is known of these, in the same order.
    """
    settings = params.evaluation
    groups = numbered(samples.groups)
    return Yardstick(
        kind,
        card.classes,
        pool.ids,
        pool.targets,
        groups,
        metrics(
            kind,
            len(card.classes),
            num_bins=settings.num_bins,
            top_k=settings.top_k,
            costs=params.ensemble.costs,
        ),
        Bootstrap(groups, settings.num_bootstrap, settings.confidence, settings.seed),
        settings.confidence,
    )
