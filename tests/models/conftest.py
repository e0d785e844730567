"""What makes the tests of models quick."""

import pytest
from torch import nn


@pytest.fixture(autouse=True)
def _plain_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inception's fresh weights are drawn from a truncated normal, ten seconds a network; here they
    stay what the layers drew."""
    monkeypatch.setattr(nn.init, "trunc_normal_", lambda tensor, *_, **__: tensor)
