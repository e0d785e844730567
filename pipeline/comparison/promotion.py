"""Whether the packaged model of the workspace takes the champion's place."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from pipeline.comparison.comparison import Loaded, StateComparison, compare, load_state
from pipeline.comparison.revisions import State, fetch
from pipeline.config.networks import deployed
from pipeline.config.params import Params
from pipeline.core.changed import not_current
from pipeline.core.dvcfile import LOCK, locked_stages
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.git import git
from pipeline.core.paths import Layout
from pipeline.core.run_log import RUN_FILE
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.verdict import Contrast, is_shown
from pipeline.tracking.champion import FILE, Standing, Standings

NEEDED = ("ensemble", "evaluate", "package")
"""The entries without which there is nothing to promote."""


class Promotion(NamedTuple):
    """What becomes of the model of the workspace."""

    alias: str
    """`champion` or `challenger`."""
    reason: str
    standings: Standings


def decide(settings: Params) -> Promotion:
    """Compare the model of the workspace with the champion, on the same test samples.

    Raises:
        UserError: the workspace is not up to date or not committed, or the champion's results are
            gone or were measured on other test samples.
    """
    candidate, known = _candidate(settings), Standings.load()
    if known is None:
        first = candidate.model_copy(update={"reason": "the first model to be promoted"})
        return Promotion("champion", first.reason, Standings(champion=first))
    if known.champion.model == candidate.model:
        return Promotion("champion", "it is the champion already", _kept(known, candidate.commit))
    leads, reason = _compared(known.champion, candidate, settings)
    own = candidate.model_copy(update={"reason": reason})
    if leads:
        return Promotion("champion", reason, Standings(champion=own))
    return Promotion("challenger", reason, known.model_copy(update={"challenger": own}))


def _candidate(settings: Params) -> Standing:
    stale = sorted(not_current().intersection(NEEDED))
    if stale:
        raise UserError(f"promote: {stale[0]} is not up to date; run `dvc repro`")
    commit = git("rev-parse", "HEAD")
    committed = git("show", f"HEAD:{LOCK}") or ""
    lock = locked_stages()
    made = [out["md5"] for name in NEEDED for out in lock.get(name, {}).get("outs", ())]
    if not commit or not made or any(digest not in committed for digest in made):
        raise UserError(
            f"promote: the results are not committed; `git commit` {LOCK} with the code and "
            "params.yaml, so that the model can be reproduced"
        )
    inputs = Layout()
    return Standing(
        commit=commit,
        model=read_json(inputs.runs / "package" / RUN_FILE)["fingerprint"],
        system=deployed(inputs, settings.serving.model),
        reason="",
    )


def _kept(known: Standings, commit: str) -> Standings:
    """Return the standings, with a commit that is there in place of one that was squashed away."""
    if _is_there(known.champion.commit):
        return known
    found = known.champion.model_copy(update={"commit": commit})
    return known.model_copy(update={"champion": found})


def _compared(champion: Standing, candidate: Standing, settings: Params) -> tuple[bool, str]:
    """Return whether the candidate leads by the margin, and a sentence that says why."""
    _refuse_lost(champion.commit)
    states = (
        State(f"champion {champion.commit[:7]}", champion.commit),
        State(f"model {candidate.commit[:7]}", None),
    )
    with tempfile.TemporaryDirectory() as scratch:
        folders = [fetch(state, Path(scratch)) for state in states]
        loaded = [load_state(s.name, f) for s, f in zip(states, folders, strict=True)]
        _refuse_other_samples(*loaded)
        return lead(compare(loaded, settings), settings.tracking.promotion_margin)


def _refuse_lost(commit: str) -> None:
    if not _is_there(commit):
        raise UserError(
            f"promote: {FILE} names the commit {commit[:12]}, which this repository lacks; "
            "`git fetch` it, or promote the same model first from a commit that is left, or "
            f"remove {FILE} to begin anew"
        )


def _is_there(commit: str) -> bool:
    return git("cat-file", "-e", f"{commit}^{{commit}}") is not None


def _refuse_other_samples(champion: Loaded, own: Loaded) -> None:
    known, new = set(champion.pool.ids.tolist()), set(own.pool.ids.tolist())
    if known != new:
        raise UserError(
            f"promote: {champion.name} was measured on other test samples: {len(known - new):,} of "
            f"its {len(known):,} are not in the workspace, which has {len(new - known):,} others; "
            "allowed the same samples; run its commit on this data, or remove "
            f"{FILE} to begin anew"
        )


def lead(comparison: StateComparison, margin: float) -> tuple[bool, str]:
    """Return whether the second of two states surely leads by the margin, and why or why not."""
    (found,), (verdict,), evaluator = (
        comparison.contrasts,
        comparison.verdicts,
        comparison.evaluator,
    )
    surely = _least_gain(found, evaluator)
    is_better = is_shown(found.differences[evaluator.headline], found.p, evaluator.confidence)
    leads = is_better and surely > 0 and surely >= margin
    return leads, f"{verdict}{_of_margin(leads, margin, evaluator) if margin else ''}"


def _of_margin(leads: bool, margin: float, evaluator: Evaluator) -> str:
    name = evaluator.headline.replace("_", " ")
    return f"; a lead of {margin:g} of {name} or more is {'' if leads else 'not '}shown"


def _least_gain(found: Contrast, evaluator: Evaluator) -> float:
    """Return the end of the interval that is worse for the first system of the contrast."""
    difference = found.differences[evaluator.headline]
    higher = evaluator.headline_metric.higher_is_better
    return difference.low if higher else -difference.high
