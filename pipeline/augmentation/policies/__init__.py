"""Policies, one a file: `transforms(params, height_px, width_px)` lists albumentations objects.

Also the door: whoever imports albumentations passes here first.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # or its import asks the network, for 12 s


@contextmanager
def without_torch() -> Iterator[None]:
    """Let albumentations do without torch, 1.6 s of import for one converter."""
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]


with without_torch():
    import albumentations  # noqa: F401
