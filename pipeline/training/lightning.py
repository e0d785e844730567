"""The door to lightning: import it from here.

Convoy uses Lightning's Fabric: devices, processes and gradient synchronisation are Lightning's.
The loop is ours, because a step of the whole Trainer costs 0.5 to 0.9 ms, and so is the precision,
which prediction has to share.

torchmetrics, which Lightning imports, pulls in torchvision, scipy and matplotlib where they are
installed. Nothing here uses those parts, and they are 1.9 of 4.4 s, so they are declared absent
while Lightning is imported, and only then. (Of what is left, torch and its `_dynamo` take 2.7 s;
any optimiser of torch imports the latter at its first step.)
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from lightning_utilities.core import imports

UNUSED = ("torchvision", "scipy", "matplotlib", "onnxruntime", "transformers", "pystoi")


@contextmanager
def _declared_absent(packages: tuple[str, ...]) -> Iterator[None]:
    """Both ways in which torchmetrics asks what is installed say no to `packages`."""
    is_available, check = imports.package_available, imports.RequirementCache._check_available

    def check_others(self: imports.RequirementCache) -> None:
        if (self.requirement or self.module or "").startswith(packages):
            self.available, self.message = False, "not needed by Convoy"
        else:
            check(self)

    imports.package_available = lambda name: (  # type: ignore[assignment]
        name not in packages and is_available(name)
    )
    imports.RequirementCache._check_available = check_others  # type: ignore[method-assign]
    try:
        yield
    finally:
        imports.package_available = is_available
        imports.RequirementCache._check_available = check  # type: ignore[method-assign]


with _declared_absent(UNUSED):
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
    from lightning_fabric.strategies.strategy import Strategy

# Lightning advertises and repeats advice that does not fit a batch-at-once loader.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="lightning_fabric")

__all__ = [
    "ClusterEnvironment",
    "DDPStrategy",
    "Fabric",
    "LightningEnvironment",
    "ModelParallelStrategy",
    "SLURMEnvironment",
    "Strategy",
    "TorchElasticEnvironment",
]
