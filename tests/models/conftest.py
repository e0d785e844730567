"""Speed up the tests of models."""

import pytest
from torch import nn


@pytest.fixture(autouse=True)
def _plain_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip Inception's truncated-normal initialisation, which takes ten seconds per network."""
    monkeypatch.setattr(nn.init, "trunc_normal_", lambda tensor, *_, **__: tensor)
