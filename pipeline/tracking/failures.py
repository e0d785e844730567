"""What a server, a database, a network or a disk refuses, in one line that says what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.core.errors import FULL, UserError
from pipeline.tracking import address

LIBRARIES = (
    "mlflow",
    "requests",
    "urllib3",
    "sqlalchemy",
    "sqlite3",
    "psycopg",
    "boto3",
    "botocore",
)
LONGEST = 200  # characters of what somebody else's error says


class TrackingError(UserError):
    """MLflow does not take or give something now. Nothing is lost, as all can be pushed later."""


LOGIN = (
    "the login is refused; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
    "MLFLOW_TRACKING_TOKEN"
)
RIGHTS = "this login has no right to that ({text}); ask whoever runs the server for it"
FULL_DISK = "the disk is full; free some space"
BY_STATUS = {401: LOGIN, 403: RIGHTS}
BROKEN = "the server has failed ({text}); see its log"
BY_TEXT = {
    r"too many 5\d\d error responses": "the server answers with errors; see its log",
    r"No space left on device|disk is full": FULL_DISK,
    r"\[SSL: \w*ALERT\w*(CERT|_CA)\w*\] (?P<why>[^(]*\w)": (
        "it does not accept this client ({why}); name a certificate that it knows in "
        "MLFLOW_TRACKING_CLIENT_CERT_PATH"
    ),
    r"\[SSL: \w+\] (?P<why>[^(]*\w)": (
        "its certificate is not accepted ({why}); name the authority's in "
        "MLFLOW_TRACKING_SERVER_CERT_PATH"
    ),
    r"(?P<why>SSL error: .*|root certificate file .* does not exist)": (
        "the database's certificate is not accepted ({why}); name the authority's by sslrootcert "
        "in MLFLOW_TRACKING_URI"
    ),
    r"password authentication failed|no password supplied|role .* does not exist": (
        "the login is refused ({text}); correct it in MLFLOW_TRACKING_URI"
    ),
    r"credentials|InvalidAccessKeyId|SignatureDoesNotMatch": (
        "the store of artifacts refuses the login ({text}); set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY"
    ),
    r"AccessDenied|NoSuchBucket|Forbidden": (
        "the store of artifacts refuses that ({text}); ask whoever runs it for the right"
    ),
    r"No module named '?(?P<module>\w+)": "the package {module} is not installed; install it",
    r"[Tt]imed out|[Tt]imeout": "no answer in time; wait until the server is less busy",
    r"Connection|connection|Max retries|NameResolution|getaddrinfo": (
        "no answer; start the server, or correct MLFLOW_TRACKING_URI"
    ),
}


@contextmanager
def explained(part: str = "") -> Iterator[None]:
    """Turn what MLflow, its libraries or the system raise into a `TrackingError` of one line.

    Args:
        part: names the part of the server that it is about, as in `"the model registry: "`.
    """
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        if not _is_refusal(error):
            raise
        raise TrackingError(f"tracking: {address.shown()}: {part}{reason(error)}") from error


def reason(error: Exception) -> str:
    """Say what is refused, and what to do before one tries again."""
    text = _first_line(error)
    held = {"text": text}
    if isinstance(error, OSError) and error.errno in FULL:
        return f"{FULL_DISK} and try again"
    status = _status(error)
    said = BY_STATUS.get(status)
    for pattern, words in BY_TEXT.items():
        found = re.search(pattern, f"{error}")
        if found and said is None:
            said, held = words, {**held, **found.groupdict()}
    if said is None:
        said = BROKEN if status >= 500 else "{text}; correct that"
    return f"{said.format(**held)} and try again"


def _status(error: Exception) -> int:
    """Return the status of HTTP that an error is about; 0 if there is none."""
    answer = getattr(error, "response", None)
    found = getattr(answer, "status_code", None)
    named = getattr(error, "get_http_status_code", None)
    return int(found or (named() if named else 0))


def _first_line(error: Exception) -> str:
    lines = f"{error}".strip().splitlines() or [type(error).__name__]
    return lines[0][:LONGEST].strip().rstrip(".")


def _is_refusal(error: Exception) -> bool:
    """Return whether the world is at fault, and no mistake of this program.

    A missing file is an output that the next stage is replacing just now.
    """
    if isinstance(error, OSError | ImportError):
        return not isinstance(error, FileNotFoundError)
    return type(error).__module__.partition(".")[0] in LIBRARIES
