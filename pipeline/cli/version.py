"""`convoy --version`: the versions that a bug report needs."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARIES = (
    "torch", "torchvision", "pytorch-lightning", "timm",
    "mlflow", "dvc", "optuna", "albumentations",
)  # fmt: skip


def versions() -> str:
    """Return Convoy's commit, and the versions of Python and of the main libraries."""
    libraries = [f"{name} {version(name)}" for name in LIBRARIES]
    system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return "\n".join([f"convoy {_commit()}", system, *libraries])


def _commit() -> str:
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "not in a git repository"
