"""A store that was lost is filled again from the artifacts: nothing differs but ids and times."""

import shutil
from itertools import count

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from tests.conftest import Workspace
from tests.tracking.reading import Reader, differences
from tests.tracking.test_mirror import EXPECTED, live

pytestmark = pytest.mark.slow
COPIES = count()


def test_a_lost_store_of_runs_that_were_shown_live_comes_back(copy: Workspace) -> None:
    """All stages run once more, each followed by a mirror of its own."""
    lose(copy)
    copy.edit(live)
    copy.run("dvc", "repro", "--force")
    before = Reader(opened(copy))
    assert len(before.runs()) == EXPECTED.total()
    assert before.runs(ViewType.DELETED_ONLY) == []
    shown = before.all()
    (train,) = [own for (own,) in shown["runs"].values() if own["name"] == "train/cnn_1"]
    assert train["points"] and train["datasets"] and train["makes"] and train["artifacts"]
    (registered,) = shown["registry"]
    assert [version["run"] for version in registered["versions"]]
    lose(copy)
    assert copy.run("convoy", "sync").endswith(f"{len(shown['runs'])} runs\n")
    assert differences(shown, Reader(opened(copy)).all()) == []
    (copy.folder / ".convoy/synced.json").unlink()  # else it would not look at all
    copy.run("convoy", "sync")
    assert differences(shown, Reader(opened(copy)).all()) == []


def lose(workspace: Workspace) -> None:
    (workspace.folder / "mlflow.db").unlink()
    shutil.rmtree(workspace.folder / "mlartifacts")


def opened(workspace: Workspace) -> MlflowClient:
    """Open a copy of the database: MLflow would go on with a deleted one that it has open."""
    read = workspace.folder / f"read_{next(COPIES)}.db"
    shutil.copy2(workspace.folder / "mlflow.db", read)
    address = f"sqlite:///{read}"
    return MlflowClient(tracking_uri=address, registry_uri=address)
