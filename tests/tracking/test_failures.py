"""What a server refuses is said in one line, without a password, and with what to do."""

import errno

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, UNAUTHENTICATED
from sqlalchemy.exc import OperationalError

from pipeline.tracking.failures import TrackingError, explained

ADDRESS = "postgresql://ann:s3cret/@word@host/runs?sslpassword=s3cret"
CASES = [
    (MlflowException("who?", UNAUTHENTICATED), "the login is refused; set MLFLOW_TRACKING_USER"),
    (MlflowException("Permission denied", PERMISSION_DENIED), "no right to that (Permission den"),
    (requests.ConnectionError("Connection refused"), "no answer; start the server"),
    (requests.Timeout("Read timed out"), "no answer in time"),
    (OperationalError("q", {}, Exception("SSL error: certificate verify failed")),
     "accepted (SSL error: certificate verify failed); name the authority's by sslrootcert"),
    (OSError(errno.ENOSPC, "No space left on device"), "the disk is full; free some space"),
    (MlflowException("(sqlite3.OperationalError) database or disk is full"), "the disk is full"),
    (MlflowException("API request failed with error code 500"), "the server has failed (API req"),
    (OperationalError("q", {}, Exception('password authentication failed for user "ann"')),
     "the login is refused"),
    (ModuleNotFoundError("No module named 'boto3'"), "the package boto3 is not installed"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "expected"), CASES, ids=lambda case: f"{case!r:.30}")
def test_each_kind_says_what_to_do(
    error: Exception, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ADDRESS)
    with pytest.raises(TrackingError) as raised, explained():
        raise error
    said = f"{raised.value}"
    assert expected in said
    assert said.startswith("tracking: postgresql+psycopg://ann:***@host/runs?sslpassword=***: ")
    assert said.endswith(" and try again")
    assert "s3cret" not in said and "\n" not in said


def test_a_mistake_of_the_program_is_no_refusal() -> None:
    with pytest.raises(KeyError), explained():
        raise KeyError("name")
