"""How this process computes on the CPU."""

import ctypes

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def use(num_threads: int) -> None:
    """Compute with this many threads, and keep the memory that a step frees for the next step.

    By default glibc hands large blocks back to the kernel, which clears each page before it gives
    it out again: a quarter of a small network's step.
    """
    torch.set_num_threads(num_threads)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
