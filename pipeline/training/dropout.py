"""Dropout that depends on (seed, step, device), not on what was drawn before."""

from hashlib import blake2b


def dropout_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of a device's generator for one step of the optimiser, below 2^63."""
    key = f"{seed}/{step}/{rank}".encode()
    return int.from_bytes(blake2b(key, digest_size=8).digest()) >> 1
