"""The comparison of what several states deploy, on the test samples that they share."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from pipeline.config.distillation import ENSEMBLE
from pipeline.config.networks import deployed, model_in, predictions_of
from pipeline.config.params import Params
from pipeline.core.artifacts import Card, Pool, Predictions, Samples, rows_of
from pipeline.core.component import Component, load
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml
from pipeline.core.paths import Layout
from pipeline.core.tree import flatten
from pipeline.ensembling.combiner import Combiner
from pipeline.evaluation.comparison import contrast, measure, surely_alike
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.significance import holm
from pipeline.evaluation.systems import make_evaluator, outputs_of
from pipeline.evaluation.verdict import Contrast, resolved, sentence


class Loaded(NamedTuple):
    """One state with its output on test."""

    name: str
    inputs: Layout
    chosen: str
    tree: dict[str, Any]
    """The content of its params.yaml."""
    card: Card
    combiner: Combiner
    pool: Pool
    outputs: SystemOutput
    samples: Samples


@dataclass(frozen=True)
class StateComparison:
    """Every state compared with the first."""

    evaluator: Evaluator
    left_out: dict[str, int]
    """The number of test samples, by state, that not all states have."""
    systems: dict[str, dict[str, Estimate]]
    """The metrics of what each state deploys, by state and metric."""
    contrasts: list[Contrast]
    p_corrected: list[float]
    """The p-values corrected for all contrasts; those of equivalence are corrected likewise."""
    verdicts: list[str]
    """What the corrected p-values show, in one sentence each."""
    resolved: list[str]
    """What differences the samples can show, in one sentence for each contrast."""
    changed: dict[str, dict[str, Any]]
    """The value in each state, by dotted key of params.yaml, where they differ."""

    def as_json(self) -> dict[str, Any]:
        return {
            **self.evaluator.as_json(),
            "left_out": self.left_out,
            "systems": {
                state: {metric: e.as_json() for metric, e in own.items()}
                for state, own in self.systems.items()
            },
            "contrasts": [
                {
                    **asdict(found),
                    "resolution": found.resolution._asdict(),
                    "p_corrected": p,
                    "verdict": verdict,
                    "resolved": resolved,
                }
                for found, p, verdict, resolved in zip(
                    self.contrasts, self.p_corrected, self.verdicts, self.resolved, strict=True
                )
            ],
            "changed_params": self.changed,
        }


def load_state(name: str, folder: Path) -> Loaded:
    """Read the output on test of what a state deploys: its chosen ensemble, or a student."""
    inputs, tree = Layout(folder), read_yaml(folder / "params.yaml")
    card, model = Card.load(inputs.card), model_in(tree)
    chosen, is_student = deployed(inputs, model), model != ENSEMBLE
    combiner = Combiner.load(inputs.student_system(chosen) if is_student else inputs.system(chosen))
    pool, predictions = _predictions(inputs, tree, card, combiner.members)
    made = outputs_of(combiner, predictions)
    return Loaded(name, inputs, chosen, tree, card, combiner, pool, made, Samples.load(inputs.test))


def members_of(state: Loaded) -> dict[str, SystemOutput]:
    """Return the output of each member of a state, as a system of its own, on test.

    Samples are in the order of those of the system that it deploys.
    """
    names = list(state.tree["members"])
    pool, predictions = _predictions(state.inputs, state.tree, state.card, names)
    rows = rows_of(pool.ids, state.pool.ids)
    combiners = {name: Combiner.load(state.inputs.system(name)) for name in names}
    return {name: taken(outputs_of(own, predictions), rows) for name, own in combiners.items()}


def _predictions(
    inputs: Layout, tree: dict[str, Any], card: Card, members: Iterable[str]
) -> tuple[Pool, dict[str, np.ndarray]]:
    students = tree.get("distil") or {}
    paths = {name: predictions_of(inputs, name, "test", students) for name in members}
    pool = Pool.gather({name: Predictions.load(path) for name, path in paths.items()})
    task = load("task", Component(name=tree["task"]["name"]))
    made = task.predictions(pool.logits, *card.target_scale)
    return pool, dict(zip(pool.members, made, strict=True))


def compare(states: list[Loaded], settings: Params) -> StateComparison:
    """Measure all states on the samples that they share."""
    evaluator, rows = on_shared_samples(states, settings)
    outputs = {state.name: taken(state.outputs, r) for state, r in zip(states, rows, strict=True)}
    return _compared(states, outputs, evaluator)


def on_shared_samples(
    states: list[Loaded], settings: Params
) -> tuple[Evaluator, list[Int[np.ndarray, " n"]]]:
    """Return the evaluator of the samples that all states share, and their rows in each state.

    Raises:
        UserError: the states have different tasks, share no sample, or disagree on a target.
    """
    _refuse_other_questions(states)
    shared = reduce(np.intersect1d, [state.pool.ids for state in states])
    if not len(shared):
        names = " and ".join(state.name for state in states)
        raise UserError(f"{names} share no test sample; their data must overlap")
    rows = [rows_of(state.pool.ids, shared) for state in states]
    _refuse_other_truths(states, rows, shared)
    first = states[0]
    pool, kind = first.pool.take(rows[0]), first.combiner.prediction_type.kind
    return make_evaluator(kind, first.card, pool, first.samples.of(shared), settings), rows


def _compared(
    states: list[Loaded], outputs: dict[str, SystemOutput], evaluator: Evaluator
) -> StateComparison:
    measured = measure(evaluator, outputs)
    first, *others = states
    contrasts = [contrast(evaluator, outputs, measured, o.name, first.name) for o in others]
    p_corrected = holm(np.array([found.p for found in contrasts])).tolist()
    surely = [
        replace(c, p=p, resolution=resolution)
        for c, p, resolution in zip(contrasts, p_corrected, surely_alike(contrasts), strict=True)
    ]
    called = {state.name: f"{state.name} ({state.chosen})" for state in states}
    return StateComparison(
        evaluator,
        {state.name: len(state.pool.ids) - len(evaluator.ids) for state in states},
        {
            name: {metric: evaluator.bootstrap.estimate(one) for metric, one in own.items()}
            for name, own in measured.items()
        },
        contrasts,
        p_corrected,
        [sentence(c, evaluator, called[c.first], called[c.second]) for c in surely],
        [resolved(c, evaluator) for c in surely],
        changed({state.name: state.tree for state in states}),
    )


def changed(trees: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the dotted keys whose values differ between parameter files; a missing key is None."""
    flat = {name: flatten(tree) for name, tree in trees.items()}
    keys = sorted({key for tree in flat.values() for key in tree})
    values = {key: {name: tree.get(key) for name, tree in flat.items()} for key in keys}
    return {k: v for k, v in values.items() if len({repr(one) for one in v.values()}) > 1}


def _refuse_other_questions(states: list[Loaded]) -> None:
    first, *others = states
    for other in others:
        kinds = [state.combiner.prediction_type.kind for state in (first, other)]
        if kinds[0] != kinds[1]:
            raise UserError(
                f"{first.name} predicts {kinds[0]}, but {other.name} predicts "
                f"{kinds[1]}; only states with the same task can be compared"
            )
        differing = sorted(set(first.card.classes) ^ set(other.card.classes))
        if first.card.classes != other.card.classes:
            which = f"that differ, such as {differing[0]}" if differing else "in another order"
            raise UserError(
                f"{first.name} and {other.name} have {kinds[0]} {which}; only states "
                "with the same task and names can be compared"
            )


def _refuse_other_truths(states: list[Loaded], rows: list[np.ndarray], shared: np.ndarray) -> None:
    truth = states[0].pool.targets[rows[0]]
    for state, own in zip(states[1:], rows[1:], strict=True):
        differs = (state.pool.targets[own] != truth).reshape(len(shared), -1).any(axis=1)
        if differs.any():
            raise UserError(
                f"{differs.sum()} samples have a different target in {state.name} than "
                f"in {states[0].name}, the first is {shared[differs][0]}; correct the labels in "
                "one of them"
            )


def taken(made: SystemOutput, rows: Int[np.ndarray, " n"]) -> SystemOutput:
    """Return the output on some of the samples."""
    return made._replace(predictions=made.predictions[rows], decided=made.decided[rows])
