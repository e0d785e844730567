"""What systems say of test, and the yardstick that they are measured by."""

import numpy as np

from pipeline.artifacts import Card, Pool, Samples
from pipeline.ensembling._combiner import Combiner
from pipeline.evaluation.answers import Answers
from pipeline.evaluation.intervals import Bootstrap, numbered
from pipeline.evaluation.metrics import metrics
from pipeline.evaluation.yardstick import Yardstick
from pipeline.params import Params
from pipeline.space import Kind


def answers(combiner: Combiner, predictions: dict[str, np.ndarray]) -> Answers:
    """Of one system, from the predictions of (at least) its members."""
    made = combiner(predictions)
    widths = combiner.decision.half_widths
    return Answers(made, combiner.decision(made), np.array(widths) if widths else None)


def yardstick(kind: Kind, card: Card, pool: Pool, samples: Samples, params: Params) -> Yardstick:
    """Args:
    pool: of the samples that systems are measured on.
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
