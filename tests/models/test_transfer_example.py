"""The scripts of the transfer example; tests/training measures the value of its weights."""

import pytest
import torch
from torch import Tensor

from examples.transfer.fetch_weights import renamed
from pipeline.core.errors import UserError
from tests.conftest import Workspace


def tensors(*shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {"abc"[i]: torch.randn(shape) for i, shape in enumerate(shapes)}


def test_tensors_take_their_names_by_order_and_only_where_all_of_them_fit() -> None:
    published, own = tensors((2, 3), (4,)), {"x": torch.zeros(2, 3), "y": torch.zeros(4)}
    made = renamed(published, own)
    assert list(made) == ["x", "y"]
    assert made["x"] is published["a"] and made["y"] is published["b"]
    with pytest.raises(UserError, match="got 1 tensors; allowed the 2 of tf_efficientnet_lite0"):
        renamed(tensors((2, 3)), own)
    with pytest.raises(UserError, match=r"b: got \(5,\), torch.float32; allowed \(4,\).* of y"):
        renamed(tensors((2, 3), (5,)), own)
    with pytest.raises(UserError, match=r"b: got \(4,\), torch.float64; allowed \(4,\).* of y"):
        renamed(published | {"b": published["b"].double()}, own)


@pytest.mark.slow
def test_photographs_of_ones_own_are_not_mixed_with_the_samples(workspace: Workspace) -> None:
    command = ("python", "-m", "examples.transfer.sample_photos")
    own = workspace.folder / "data/raw/photos/cat/1.jpg"
    own.parent.mkdir(parents=True)
    own.touch()
    assert "photos: is there already; remove it" in workspace.run(*command, status=1)
    assert list(own.parent.parent.rglob("*.*")) == [own]
