"""The machine and the libraries that a run computes with: they decide the last bits of its results.

Every run carries them as tags, so that a difference between two runs can be traced to them.
"""

import platform
import re
from collections import Counter
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "albumentations",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pydantic",
    "pytorch-lightning",
    "scipy",
    "simplejpeg",
    "timm",
    "torch",
    "torchvision",
)
"""The libraries whose version can change a result."""
PREFIX = "environment."
CPU_FILE, GPU_FOLDER = Path("/proc/cpuinfo"), Path("/proc/driver/nvidia/gpus")
LOCK = Path("requirements.lock")


@cache
def environment() -> dict[str, str]:
    """Return the tags: processor, GPUs, system, Python, libraries and the lock file's hash."""
    found = {
        "processor": _processor(),
        "gpus": _gpus(),
        "system": f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}",
        "python": platform.python_version(),
        "libraries": ", ".join(f"{name} {library_version(name)}" for name in LIBRARIES),
    }
    if LOCK.is_file():  # a node of a cluster may lack it
        found["lock_file"] = sha256(LOCK.read_bytes()).hexdigest()[:16]
    return {f"{PREFIX}{key}": value for key, value in found.items()}


def library_version(name: str) -> str:
    """Return a library's version, or `missing`."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    """Return the processor's model, which names the instructions that kernels choose from."""
    text = CPU_FILE.read_text(errors="replace") if CPU_FILE.is_file() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()


def _gpus() -> str:
    """Return the models of NVIDIA's GPUs as its driver lists them, such as `2 x NVIDIA H200`."""
    texts = (file.read_text(errors="replace") for file in GPU_FOLDER.glob("*/information"))
    models = (re.search(r"^Model:\s*(.+)$", text, re.MULTILINE) for text in texts)
    counted = Counter(found[1].strip() for found in models if found)
    return ", ".join(f"{num} x {model}" for model, num in sorted(counted.items())) or "none"
