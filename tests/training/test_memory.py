"""Memory that holds a few images only: simulated, since the CPU has no such error of its own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pipeline.core.errors import UserError
from pipeline.models.network import Network
from pipeline.training.attempts import more_parts
from tests.training.fits import equal, forked, forked_here, recipe, run, same, status

FORWARD = Network.forward


def holds(monkeypatch: pytest.MonkeyPatch, most: int, *, calls: int = 0) -> None:
    """Have networks refuse to learn from more than `most` images at once, after some calls."""
    made: list[int] = []

    def forward(self: Network, images: Tensor) -> Tensor:
        made.append(len(images))
        if self.training and len(images) > most and len(made) > calls:
            raise torch.OutOfMemoryError("out of memory")
        return FORWARD(self, images)

    monkeypatch.setattr(Network, "forward", forward)


@pytest.mark.parametrize("training", [{}, {"average": {"name": "swa", "start": 0.3}}])
def test_it_ends_as_though_asked_for_smaller_parts(
    training: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To the bit, with batch norm and dropout: nothing of the step that failed is left."""
    asked = run(tmp_path / "asked", micro_batches=4, **training)
    holds(monkeypatch, 2)
    found = run(tmp_path / "found", **training)
    assert equal(found[0], asked[0])
    assert found[1] == asked[1]
    message = [line for line in capsys.readouterr().out.splitlines() if "memory" in line]
    assert [line.split(";")[0][-28:] for line in message] == [
        "memory with 8 images at once",
        "memory with 4 images at once",
    ]
    assert message[1].endswith("set training.micro_batches: 4 to use these from the start")


def test_in_the_middle_it_goes_on_from_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And knows of it when it is resumed: the figures of all epochs are told once."""
    holds(monkeypatch, 4, calls=17)
    _, logged = run(tmp_path, epochs=4)
    assert [epoch for epoch, _ in logged] == [0, 1, 2, 3]
    holds(monkeypatch, 4)
    assert run(tmp_path, epochs=4)[1] == logged


def test_a_single_image_that_is_too_large_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds(monkeypatch, 0)
    with pytest.raises(UserError, match="runs out of memory with a single image; use a smaller"):
        run(tmp_path)


def test_a_part_of_one_image_is_refused_where_batch_norm_sees_one_value(tmp_path: Path) -> None:
    deep = {"widths": (4,) * 5}
    with pytest.raises(UserError, match=r"training.batch_size: got a single image for each device"):
        run(tmp_path, model=deep, micro_batches=8)
    run(tmp_path / "without", model={**deep, "batch_norm": False}, micro_batches=8, epochs=1)


@given(share=st.integers(1, 300), asked=st.integers(1, 300))
def test_parts_are_equal_and_at_least_twice_as_many(share: int, asked: int) -> None:
    if share % asked or asked == share:
        return
    more = more_parts(asked, share)
    assert share % more == 0
    assert more == share or more >= 2 * asked


@pytest.mark.slow
def test_all_devices_agree(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One of two is short of memory: both begin anew, and end as though asked for it."""
    asked, found = tmp_path / "asked", tmp_path / "found"
    assert status(forked_here(asked, recipe({"micro_batches": 2}), devices=2)) == 0
    assert status(forked(found, recipe({}), "frequent,rank_1_holds_2", devices=2)) == 0
    same(asked, found)
    assert capfd.readouterr().out.count("runs out of memory with 4 images at once; resuming") == 1
