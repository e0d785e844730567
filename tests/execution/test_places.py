"""How many fits a machine has room for, and the devices that each may see."""

import os

import pytest

from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.core.errors import UserError
from pipeline.execution import places as module
from pipeline.execution.places import places, visible_gpus
from pipeline.execution.slots import on_gpus

CORES = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("wanted", "hardware", "expected"),
    [
        ("auto", {}, CORES),
        ("auto", {"threads": CORES}, 1),
        ("auto", {"threads": 2 * CORES}, 1),
        ("auto", {"devices": 2}, max(1, CORES // 2)),
        (5, {}, 5),
        (5, {"num_nodes": 2}, 1),
    ],
)
def test_cores_over_threads_and_devices(
    wanted: int | str, hardware: dict[str, int], expected: int
) -> None:
    found = places(wanted, 1, Execution(), Hardware(accelerator="cpu", **hardware))
    assert len({place.name for place in found}) == len(found) == expected


@pytest.mark.parametrize(
    ("per_fit", "shared_by", "expected"),
    [
        (1, 1, ["0", "1", "2", "3", "4"]),
        (2, 1, ["0,1", "2,3"]),
        (5, 1, ["0,1,2,3,4"]),
        (1, 2, ["0", "1", "2", "3", "4"] * 2),
    ],
)
def test_no_two_fits_share_a_gpu_unless_asked(
    per_fit: int, shared_by: int, expected: list[str]
) -> None:
    found = on_gpus(list("01234"), per_fit, shared_by)
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in found] == expected
    assert len({place.name for place in found}) == len(found)


def test_fits_see_those_gpus_that_this_process_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-1a")
    hardware = Hardware(accelerator="gpu")
    found = places("auto", 1, Execution(), hardware)
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in found] == ["3", "GPU-1a"]
    assert len(places(1, 1, Execution(), hardware)) == 1
    with pytest.raises(UserError, match=r"devices: got 3, but 2 GPUs are visible here; allowed 1"):
        places("auto", 1, Execution(), Hardware(accelerator="gpu", devices=3))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(UserError, match="accelerator: got gpu, but no GPU is visible here"):
        places("auto", 1, Execution(), hardware)


def test_torch_is_asked_where_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(module, "num_gpus", lambda: 2)
    assert visible_gpus() == ["0", "1"]


def test_the_fork_server_counts_the_gpus_of_this_machine() -> None:
    import torch

    from pipeline.execution.fork_server import num_gpus

    assert num_gpus() == torch.cuda.device_count()
