"""`convoy --version`: the versions that a bug report needs."""

import platform
from importlib.metadata import version
from pathlib import Path

from pipeline.core.git import git

ROOT = Path(__file__).parents[2]
LIBRARIES = (
    "torch", "torchvision", "pytorch-lightning", "timm",
    "mlflow", "dvc", "optuna", "albumentations",
)  # fmt: skip


def versions() -> str:
    """Return Convoy's commit, and the versions of Python and of the main libraries."""
    libraries = [f"{name} {version(name)}" for name in LIBRARIES]
    system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    commit = git("describe", "--always", "--dirty", "--abbrev=12", folder=ROOT)
    return "\n".join([f"convoy {commit or 'not in a git repository'}", system, *libraries])
