"""Import albumentations as Convoy needs it: without asking the network, and without torch.

Every module takes `A` from here.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["A", "without_torch"]

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # otherwise its import asks the network, for 12 s


@contextmanager
def without_torch() -> Iterator[None]:
    """Let albumentations run without torch, which costs 1.6 s of import for one converter."""
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]


with without_torch():
    import albumentations as A  # noqa: N812  # the library's own convention
