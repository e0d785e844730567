"""Opens one experiment on a tracking server or in a local database."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException

from pipeline.tracking import address
from pipeline.tracking.relocation import FOLDER, bring_home

ALREADY, GONE = "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"

logging.getLogger("mlflow.store.db.utils").setLevel(logging.ERROR)
logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("urllib3").setLevel(logging.ERROR)  # the mirror warns, once


def connect() -> MlflowClient:
    """Return a client of the address in use, whose database is created where it is missing."""
    _create_database()
    if address.is_own():
        bring_home(address.own())
    return MlflowClient(tracking_uri=address.uri(), registry_uri=address.uri())


def find_experiment(client: MlflowClient, name: str) -> str:
    """Return the id of an experiment, which is created, or restored if somebody has deleted it."""
    found = client.get_experiment_by_name(name)
    if not found:
        despite(ALREADY, lambda: _create_experiment(client, name))
        found = client.get_experiment_by_name(name)
    assert found
    if found.lifecycle_stage == LifecycleStage.DELETED:
        client.restore_experiment(found.experiment_id)
        print(
            f"tracking: the experiment {name} was deleted in MLflow: restored with its runs; set "
            "tracking.experiment to begin another",
            file=sys.stderr,
        )
    return str(found.experiment_id)


def despite(code: str, call: Callable[[], object]) -> None:
    """Do something that is done already, by another process or by a call whose answer was lost.

    Args:
        code: how MLflow names the error that says so.
    """
    try:
        call()
    except MlflowException as error:
        if error.error_code != code:
            raise


def _create_experiment(client: MlflowClient, name: str) -> None:
    folder = (address.ROOT / FOLDER).as_uri() if address.is_database() else None
    # Without a kind, the pages open in a view for language models, which hides the runs.
    kind = {"mlflow.experimentKind": "custom_model_development"}
    client.create_experiment(name, artifact_location=folder, tags=kind)


def _create_database() -> None:
    """Create the local database, of which a killed process leaves either all tables or no file."""
    path = Path(address.uri().removeprefix("sqlite:///"))
    if not address.uri().startswith("sqlite:///") or path.exists():
        return
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    MlflowClient(f"sqlite:///{unfinished}").search_experiments(max_results=1)
    unfinished.replace(path)
