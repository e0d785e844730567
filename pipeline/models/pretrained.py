"""Find pretrained weights, and fit them to a network with other inputs or outputs."""

import os
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlparse

import torch
from huggingface_hub import hf_hub_download, hf_hub_url, try_to_load_from_cache
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.core.errors import UserError

Weights = dict[str, Tensor]
REPLY_S = 5.0  # a hub that is silent for longer counts as unreachable; its own client waits 46 s
MOST_NAMED = 3


def local(path: Path) -> Path:
    """Return the file that the parameters name.

    Raises:
        UserError: the file does not exist.
    """
    if not path.is_file():
        raise UserError(
            f"model.pretrained: got {path}, which is not a file; allowed true, false or a weight "
            "file (.safetensors, or a state_dict written by torch.save)"
        )
    return path


def from_hub(repo: str, filename: str) -> Path:
    """Return a file of the Hugging Face hub, from its cache or the network.

    Raises:
        UserError: it is in neither; says what to download, and where to put it.
    """
    cached = try_to_load_from_cache(repo, filename)
    if isinstance(cached, str):
        return Path(cached)
    name = Path(repo).name + Path(filename).suffix
    _require_reply(hf_hub_url(repo, filename), name)
    return Path(hf_hub_download(repo, filename))


def from_url(url: str) -> Path:
    """Return a file from torch's cache or the network; raise as `from_hub` does."""
    name = Path(urlparse(url).path).name
    cached = Path(torch.hub.get_dir(), "checkpoints", name)
    if not cached.is_file():
        _require_reply(url, name)
        cached.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(cached), progress=False)
    return cached


def read(path: Path) -> Weights:
    """Read tensors by name, from safetensors or a torch state dict, without running code.

    Raises:
        UserError: the file is neither.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a torn or foreign file makes torch raise almost anything
        raise _unreadable(path, error) from None
    if not isinstance(held, dict) or not all(isinstance(v, Tensor) for v in held.values()):
        raise UserError(
            f"{path}: contains objects other than tensors; save only model.state_dict()"
        )
    return dict(held)


def metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file; empty for any other file.

    Raises:
        UserError: the file is torn.
    """
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except Exception as error:
        raise _unreadable(path, error) from None


def fit(
    body: nn.Module,
    weights: Weights,
    classifiers: Iterable[str],
    path: Path,
    new_bias: float = 0.0,
) -> None:
    """Load `weights` into `body`; only the first and last layers may differ.

    The first convolution is converted to the number of channels of `body`. A classifier with
    another number of outputs starts at zero: all classes are equally likely, the first
    cross-entropy is ln k, and no random weights send large gradients through what was learned
    before.

    Args:
        classifiers: names of the last layers.
        path: where the weights come from, for the message.
        new_bias: the bias of a classifier that starts anew; the same for each output.

    Raises:
        UserError: anything else differs; names the first keys.
    """
    own, weights = body.state_dict(), dict(weights)
    first = f"{first_convolution(body)}.weight"
    if first in weights and weights[first].ndim == own[first].ndim == 4:
        weights[first] = of_channels(weights[first], own[first].shape[1])
    for name in classifiers:
        if _differ_in_outputs(own, weights, f"{name}.weight"):
            weights[f"{name}.weight"] = torch.zeros_like(own[f"{name}.weight"])
            if f"{name}.bias" in own:
                weights[f"{name}.bias"] = torch.full_like(own[f"{name}.bias"], new_bias)
    _require_match(own, weights, path)
    body.load_state_dict(weights)


def of_channels(
    weight: Float[Tensor, "o c h w"], num_channels: int
) -> Float[Tensor, "o {num_channels} h w"]:
    """Convert a first layer's weights to another number of channels.

    One channel has the effect of three equal ones. More channels repeat in turn, scaled to keep the
    size of the output.
    """
    given = weight.shape[1]
    if num_channels == given:
        return weight
    if num_channels == 1:
        return weight.sum(dim=1, keepdim=True)
    times = -(-num_channels // given)
    return weight.repeat(1, times, 1, 1)[:, :num_channels] * (given / num_channels)


def values_of_channels(values: tuple[float, ...], num_channels: int) -> tuple[float, ...]:
    """Convert a statistic to another number of channels: the mean for one, else repeat in turn."""
    if num_channels == 1:
        return (sum(values) / len(values),)
    return tuple(values[channel % len(values)] for channel in range(num_channels))


def first_convolution(body: nn.Module) -> str:
    """Return the name of the layer that sees the image."""
    names = (name for name, layer in body.named_modules() if isinstance(layer, nn.Conv2d))
    first: str = next(names)
    return first


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return UserError(f"{path}: not a weight file ({reason}); save a state_dict")


def _differ_in_outputs(own: Weights, weights: Weights, key: str) -> bool:
    if key not in own or key not in weights:
        return False
    mine, theirs = own[key].shape, weights[key].shape
    return mine[0] != theirs[0] and mine[1:] == theirs[1:]


def _require_match(own: Weights, weights: Weights, path: Path) -> None:
    wrong = [f"{key} is missing" for key in own.keys() - weights.keys()]
    wrong += [f"{key} is unknown" for key in weights.keys() - own.keys()]
    wrong += [
        f"{key} is {_size(weights[key])}, but {_size(own[key])} in the model"
        for key in own.keys() & weights.keys()
        if own[key].shape != weights[key].shape
    ]
    if wrong:
        more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        raise UserError(
            f"{path}: does not fit the model: {', '.join(sorted(wrong)[:MOST_NAMED])}{more}; set "
            "the architecture, options and stem that it was trained with"
        )


def _size(tensor: Tensor) -> str:
    return " × ".join(f"{side}" for side in tensor.shape) or "a number"


def _require_reply(url: str, name: str) -> None:
    """Request the headers of `url`, through the proxy if one is set."""
    place = f"data/weights/{name}"
    advice = f"download it on another machine, put it in {place} and set `pretrained: {place}`"
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "TRUE", "YES", "ON"):
        raise UserError(f"{url}: not downloaded yet, and HF_HUB_OFFLINE is set; {advice}")
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=REPLY_S).close()
    except OSError as error:
        raise UserError(f"{url}: cannot be reached ({error}); {advice}") from None
