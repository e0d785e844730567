"""Configure how this process computes on the CPU."""

import ctypes
import os

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def use(num_threads: int) -> None:
    """Compute with this many threads, and keep memory that a step frees for the next step.

    By default glibc returns large blocks to the kernel, which clears each page before it hands it
    out again: this costs a quarter of a small network's step.
    """
    torch.set_num_threads(num_threads)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)


def stop_looking_for_gpus() -> None:
    """Without a GPU, keep torch's optimisers from querying the driver at every step.

    Lightning makes them query it in a way that lets a process fork afterwards and use a GPU in the
    child; so call this only in a process that does not.
    """
    if not torch.cuda.is_available():
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
