"""The door to lightning: import it from here.

torchmetrics, which Lightning imports, pulls in torchvision, scipy and matplotlib where they are
installed. Nothing here uses those parts, and they are 1.9 of 4.4 s, so they are declared absent
while Lightning is imported, and only then.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from lightning_utilities.core.imports import RequirementCache

UNUSED = ("torchvision", "scipy", "matplotlib", "onnxruntime", "transformers", "pystoi", "sklearn")


@contextmanager
def _declared_absent(packages: tuple[str, ...]) -> Iterator[None]:
    check = RequirementCache._check_available

    def without(self: RequirementCache) -> None:
        if (self.requirement or self.module or "").startswith(packages):
            self.available, self.message = False, "not needed by Convoy"
        else:
            check(self)

    RequirementCache._check_available = without  # type: ignore[method-assign]
    try:
        yield
    finally:
        RequirementCache._check_available = check  # type: ignore[method-assign]


with _declared_absent(UNUSED):
    import pytorch_lightning as pl
    from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
    from pytorch_lightning.strategies import DDPStrategy, Strategy

# Lightning advertises and repeats advice that does not fit a batch-at-once loader.
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
for module in ("pytorch_lightning", "lightning_fabric"):
    warnings.filterwarnings("ignore", module=module)

__all__ = [
    "Callback",
    "DDPStrategy",
    "EarlyStopping",
    "ModelCheckpoint",
    "Strategy",
    "TQDMProgressBar",
    "pl",
]
