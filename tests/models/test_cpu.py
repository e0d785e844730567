"""The CPU configuration of a process."""

import ctypes
import subprocess
import sys

import pytest

STEPS = """
import resource, sys, torch
from pipeline.models import cpu
if sys.argv[1] == "kept":
    cpu.use(2)
    assert torch.get_num_threads() == 2
network = torch.nn.Sequential(
    torch.nn.Conv2d(1, 32, 3), torch.nn.ReLU(), torch.nn.Conv2d(32, 32, 3), torch.nn.ReLU()
)
images = torch.zeros(64, 1, 28, 28)
for step in range(30):
    if step == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    network(images).sum().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(way: str) -> int:
    command = [sys.executable, "-c", STEPS, way]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc's malloc")
def test_what_a_step_frees_is_there_for_the_next() -> None:
    assert page_faults("kept") * 4 < page_faults("default")
