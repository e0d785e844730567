"""A sync with nothing to do does not import MLflow, and one with anything to do does its work."""

import os
from ast import literal_eval

import pytest

from tests.conftest import Workspace
from tests.tracking.test_mirror import client, content, runs

pytestmark = pytest.mark.slow
SYNC = """
import sys
sys.argv = ["convoy", "sync"]
from pipeline.cli.app import main
try:
    main()
finally:
    print({name: name in sys.modules for name in ("mlflow", "pipeline.tracking.store")})
"""


def imported(workspace: Workspace) -> dict[str, bool]:
    """Sync, and return which of MLflow and what imports it were imported."""
    found: dict[str, bool] = literal_eval(workspace.run("python", "-c", SYNC).splitlines()[-1])
    return found


def has_asked(workspace: Workspace) -> bool:
    """Sync in a fork, which has MLflow at any rate, and return whether it was asked."""
    return "True" in workspace.run("python", "-m", "tests.tracking.asked").splitlines()[-1]


def test_a_store_that_nobody_has_touched_is_not_asked(copy: Workspace) -> None:
    copy.run("convoy", "sync")
    before = content(client(copy))
    os.utime(copy.folder / "mlflow.db")
    assert set(imported(copy).values()) == {True}  # somebody may have written to it
    assert set(imported(copy).values()) == {False}
    assert not has_asked(copy)

    api = client(copy)
    api.delete_run(next(r.info.run_id for r in runs(api) if r.info.run_name == "train/cnn_1"))
    assert has_asked(copy)
    assert content(client(copy)).keys() == before.keys()  # under another id

    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(lr=0.007))
    assert has_asked(copy)
    copy.run("git", "commit", "-qam", "another rate")
    assert has_asked(copy)
    assert not has_asked(copy)
    (copy.folder / "mlflow.db").unlink()
    assert has_asked(copy)


def test_an_open_run_is_looked_at_again(copy: Workspace) -> None:
    """Its process may end without a word to the store."""
    api = client(copy)
    experiment = api.get_experiment_by_name("convoy")
    assert experiment
    tags = {"convoy.fingerprint": "open", "convoy.process": "elsewhere 1 1"}
    run = api.create_run(experiment.experiment_id, tags=tags)
    copy.run("convoy", "sync")
    assert has_asked(copy)
    api.set_terminated(run.info.run_id)
    assert has_asked(copy)
    assert not has_asked(copy)
