"""A real MLflow server, which the tests of a session share: 8 s of processor time to start."""

from collections.abc import Iterator

import pytest

from tests.tracking.servers import Tracking, serve


@pytest.fixture(scope="session")
def server() -> Iterator[Tracking]:
    """A running server; each test has experiments of its own, and leaves it running."""
    with serve("mlflow") as found:
        yield found
