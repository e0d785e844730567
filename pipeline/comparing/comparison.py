"""The chosen ensembles of several states, on the test samples that all of them share."""

from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline import params
from pipeline.artifacts import Card, Layout, Pool, Predictions, Samples, read_json, rows_of
from pipeline.component import Component, load
from pipeline.ensembling._combiner import Combiner
from pipeline.errors import UserError
from pipeline.evaluating import answers, yardstick
from pipeline.evaluation.answers import Answers
from pipeline.evaluation.compare import contrast, measure
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.significance import holm
from pipeline.evaluation.verdict import Contrast, sentence
from pipeline.evaluation.yardstick import Yardstick
from pipeline.params import Params


class Loaded(NamedTuple):
    """What one state says of its test samples."""

    name: str
    chosen: str
    tree: dict[str, Any]
    """Its params.yaml."""
    card: Card
    combiner: Combiner
    pool: Pool
    answers: Answers
    samples: Samples


@dataclass(frozen=True)
class Comparison:
    """Every state against the first."""

    yardstick: Yardstick
    left_out: dict[str, int]
    """By state: test samples that not all states have."""
    systems: dict[str, dict[str, Estimate]]
    """By state and metric: its chosen ensemble."""
    contrasts: list[Contrast]
    p_corrected: list[float]
    """For all contrasts."""
    verdicts: list[str]
    changed: dict[str, dict[str, Any]]
    """By dotted key of params.yaml: the value in each state, where they differ."""

    def as_json(self) -> dict[str, Any]:
        return {
            "headline": self.yardstick.headline,
            "confidence": self.yardstick.confidence,
            "num_samples": len(self.yardstick.ids),
            "left_out": self.left_out,
            "systems": {
                state: {metric: e._asdict() for metric, e in own.items()}
                for state, own in self.systems.items()
            },
            "contrasts": [
                {**asdict(found), "p_corrected": p, "verdict": verdict}
                for found, p, verdict in zip(
                    self.contrasts, self.p_corrected, self.verdicts, strict=True
                )
            ],
            "changed_params": self.changed,
        }


def load_state(name: str, folder: Path) -> Loaded:
    """Read what a state's chosen ensemble says of test."""
    inputs, tree = Layout(folder), params.read(folder / "params.yaml")
    card = Card.load(inputs.card)
    chosen = read_json(inputs.ensemble / "choice.json")["chosen"]
    combiner = Combiner.load(inputs.system(chosen))
    paths = {member: inputs.predictions(member, "test") for member in combiner.members}
    pool = Pool.gather({member: Predictions.load(path) for member, path in paths.items()})
    task = load("task", Component(name=tree["task"]["name"]))
    predictions = task.predictions(pool.logits, *card.target_scale)
    made = answers(combiner, dict(zip(pool.members, predictions, strict=True)))
    return Loaded(name, chosen, tree, card, combiner, pool, made, Samples.load(inputs.test))


def compare(states: list[Loaded], settings: Params) -> Comparison:
    """Measure all states on the samples that they share.

    Raises:
        UserError: the states answer other questions, share no sample, or disagree on the truth.
    """
    _refuse_other_questions(states)
    shared = reduce(np.intersect1d, [state.pool.ids for state in states])
    if not len(shared):
        names = " and ".join(state.name for state in states)
        raise UserError(f"compare: {names} share no test sample; their data must overlap")
    rows = [rows_of(state.pool.ids, shared) for state in states]
    _refuse_other_truths(states, rows, shared)
    first = states[0]
    pool, kind = first.pool.take(rows[0]), first.combiner.space.kind
    measure_by = yardstick(kind, first.card, pool, first.samples.of(shared), settings)
    said = {state.name: _of(state.answers, r) for state, r in zip(states, rows, strict=True)}
    return _compared(states, said, measure_by)


def _compared(states: list[Loaded], said: dict[str, Answers], measure_by: Yardstick) -> Comparison:
    measured = measure(measure_by, said)
    first, *others = states
    contrasts = [contrast(measure_by, said, measured, o.name, first.name) for o in others]
    called = {state.name: f"{state.name} ({state.chosen})" for state in states}
    return Comparison(
        measure_by,
        {state.name: len(state.pool.ids) - len(measure_by.ids) for state in states},
        {
            name: {metric: measure_by.estimate(metric, f) for metric, f in own.items()}
            for name, own in measured.items()
        },
        contrasts,
        holm(np.array([found.p for found in contrasts])).tolist(),
        [sentence(c, measure_by, called[c.first], called[c.second]) for c in contrasts],
        changed({state.name: state.tree for state in states}),
    )


def changed(trees: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The dotted keys whose values differ between parameter files; None where one lacks a key."""
    flat = {name: _flat(tree, "") for name, tree in trees.items()}
    keys = sorted({key for tree in flat.values() for key in tree})
    values = {key: {name: tree.get(key) for name, tree in flat.items()} for key in keys}
    return {k: v for k, v in values.items() if len({repr(one) for one in v.values()}) > 1}


def _flat(node: Any, prefix: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        return {prefix: node}
    joined = ((f"{prefix}.{key}" if prefix else key, child) for key, child in node.items())
    return {k: v for dotted, child in joined for k, v in _flat(child, dotted).items()}


def _refuse_other_questions(states: list[Loaded]) -> None:
    first, *others = states
    for other in others:
        kinds = [state.combiner.space.kind for state in (first, other)]
        if kinds[0] != kinds[1]:
            raise UserError(f"compare: {first.name} predicts {kinds[0]}, {other.name} {kinds[1]}")
        differing = sorted(set(first.card.classes) ^ set(other.card.classes))
        if first.card.classes != other.card.classes:
            which = f", such as {differing[0]}" if differing else " in another order"
            raise UserError(
                f"compare: {first.name} and {other.name} have other {kinds[0]}{which}; "
                "only states that answer the same question can be compared"
            )


def _refuse_other_truths(states: list[Loaded], rows: list[np.ndarray], shared: np.ndarray) -> None:
    truth = states[0].pool.targets[rows[0]]
    for state, own in zip(states[1:], rows[1:], strict=True):
        differs = (state.pool.targets[own] != truth).reshape(len(shared), -1).any(axis=1)
        if differs.any():
            raise UserError(
                f"compare: {differs.sum()} samples have another target in {state.name} than in "
                f"{states[0].name}, first {shared[differs][0]}; correct the labels in one of them"
            )


def _of(made: Answers, rows: np.ndarray) -> Answers:
    return made._replace(predictions=made.predictions[rows], decided=made.decided[rows])
