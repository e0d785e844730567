"""A Ray cluster of three real nodes on this machine, which the tests of a session share."""

from collections.abc import Iterator

import pytest

from tests.execution.nodes import Nodes


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    pytest.importorskip("ray", reason="the engine ray needs the extra convoy[ray]")
    started = Nodes(3, tmp_path_factory.mktemp("disks"))
    yield started
    started.close()
