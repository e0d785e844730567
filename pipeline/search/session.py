"""One process at work on a study: the stage `search`, or a worker that has joined it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.components import component_code
from pipeline.config.load import load_params
from pipeline.config.params import Params
from pipeline.config.recipes import override
from pipeline.core import dvcfile
from pipeline.core.files import read_yaml
from pipeline.core.paths import PARAMS_FILE, Layout
from pipeline.core.run_log import Spool
from pipeline.core.stage import Turn
from pipeline.execution.engine import open_engine
from pipeline.search.fits import Fits, costs, of_a_trial
from pipeline.search.journal import JOURNAL, open_journal
from pipeline.search.run import search
from pipeline.search.shared import SharedStorage
from pipeline.search.spec import StudySpec
from pipeline.search.table import read
from pipeline.search.team import Team, worker_name
from pipeline.search.trial import Trial


@dataclass(frozen=True)
class Session:
    """What a process needs to know."""

    params: Params
    spec: StudySpec
    turn: Turn
    """The work of the stage, whose fingerprint tells studies apart, and the folder of this process,
    which survives if it is killed."""
    spool: Spool
    """The run that gets a nested run for each trial."""
    inputs: Layout
    is_guest: bool = False
    """Whether it joins the study of the stage, and begins none beside one of other work."""


Finish = Callable[[Fits, list[Trial]], None]


def run_session(session: Session, finish: Finish = lambda *_: None) -> list[Trial]:
    """Run trials until the study is complete; return all of them.

    Args:
        finish: called with all trials at the end, while fits can still be run.

    Raises:
        UserError: the shared storage does not work, holds only studies of other work, or a fit
            refuses to run.
    """
    shared = open_storage(session.params)
    if shared is None:
        return _run(session, finish, None)
    with shared.explained():
        return _run(session, finish, shared)


def open_storage(params: Params) -> SharedStorage | None:
    """Open the storage that several machines share; None where a search keeps its own."""
    execution = params.execution
    if execution.search_storage is None:
        return None
    return SharedStorage(execution.search_storage, execution.heartbeat_s)


def _run(session: Session, finish: Finish, shared: SharedStorage | None) -> list[Trial]:
    params, spec, work = session.params, session.spec, session.turn.work
    team = Team(parts=parts(spec.name))
    if shared:
        team = shared.join(
            spec.name, session.turn.run["fingerprint"], worker_name(work), team.parts
        )
        (shared.refuse_unless_same if session.is_guest else shared.tell_of_others)(spec.name, team)
    earlier = read(Path(spec.search.warm_start), spec) if spec.search.warm_start else []
    with open_engine(params.execution, of_a_trial(params.hardware)) as engine:
        fits = Fits(params, spec, engine, session.spool, work)
        trials = search(
            spec,
            shared.optuna if shared else open_journal(work / JOURNAL),
            work,
            fits,
            lambda settings: costs(params, override(spec.recipe, settings), session.inputs),
            earlier,
            team=team,
        )
        finish(fits, trials)
        return trials


def parts(recipe: str) -> dict[str, str]:
    """Return what a study is made of: parameters by their keys, and hashes of code and data."""
    tree = read_yaml(PARAMS_FILE)
    entry = dvcfile.entry("search", recipe, tree)
    settings = {key: str(value) for key, value in entry.settings(tree).items()}
    components = f"{Layout().components(recipe)}"
    hashes = {dep: dvcfile.content_hash(Path(dep)) for dep in entry.deps if dep != components}
    return settings | hashes | component_code(load_params(PARAMS_FILE).recipes[recipe])
