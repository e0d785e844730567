"""Saliency maps and adversarial attacks; no other file imports captum."""

import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from captum.attr import LayerGradCam
from captum.robust import FGSM, PGD
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.network import Network

PGD_STEPS = 10
warnings.filterwarnings("ignore", module="captum")  # it warns that it asks for gradients, rightly
BATCH_SIZE = 256
Method = Literal["fgsm", "pgd"]


def grad_cam(
    network: Network,
    images: UInt8[np.ndarray, "n h w c"],
    outputs: Int[np.ndarray, " n"],
    signs: Int[np.ndarray, " n"],
) -> Float[np.ndarray, "n h2 w2"] | None:
    """Return how much each position in the image speaks for a high output, in 0..1.

    With sign −1 it is how much it speaks for a low output. Return None for a network without a
    suitable feature map.

    R. Selvaraju et al., Grad-CAM, ICCV 2017, at the last convolution whose output is a map.
    """
    pixels = network.pixels(torch.from_numpy(images))
    layer = _last_map(network, pixels)
    if layer is None:
        return None
    sign = torch.from_numpy(signs)[:, None]
    method: Any = LayerGradCam(lambda given: network.logits(given) * sign, layer)
    found = method.attribute(pixels, torch.from_numpy(outputs), relu_attributions=True).detach()
    maps = functional.interpolate(found.float(), pixels.shape[2:], mode="bilinear")[:, 0]
    peaks = maps.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)
    scaled: np.ndarray = (maps / peaks).numpy()
    return scaled


class Goal(NamedTuple):
    """What an attack maximises."""

    loss: Callable[[Tensor, Tensor], Tensor]
    """Computes the loss from logits and targets, one or several values for each sample."""
    targets: Tensor


def attack(
    network: Network,
    images: UInt8[np.ndarray, "n h w c"],
    goal: Goal,
    method: Method,
    epsilon: float,
) -> UInt8[np.ndarray, "n h2 w2 c"]:
    """Return the attacked images, no pixel changed by more than `epsilon`, on a scale of 0..1.

    fgsm: I. Goodfellow et al., Explaining and Harnessing Adversarial Examples, ICLR 2015. pgd:
    A. Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018,
    10 steps of a quarter of `epsilon` from the image itself, so that it repeats.
    """
    made = [
        _moved(network, network.pixels(torch.from_numpy(images[start : start + BATCH_SIZE])),
               goal._replace(targets=goal.targets[start : start + BATCH_SIZE]), method, epsilon)
        for start in range(0, len(images), BATCH_SIZE)
    ]  # fmt: skip
    whole: np.ndarray = (torch.cat(made) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return whole


def _moved(
    network: Network,
    pixels: Float[Tensor, "n c h w"],
    goal: Goal,
    method: Method,
    epsilon: float,
) -> Float[Tensor, "n c h w"]:
    limits: Any = {"lower_bound": 0.0, "upper_bound": 1.0}
    pixels.requires_grad_()
    if method == "fgsm":
        fgsm: Any = FGSM(network.logits, goal.loss, **limits)
        moved: Tensor = fgsm.perturb(pixels, epsilon, goal.targets)
    else:
        pgd: Any = PGD(network.logits, goal.loss, **limits)
        moved = pgd.perturb(pixels, epsilon, epsilon / 4, PGD_STEPS, goal.targets)
    return moved.detach()


def _last_map(network: Network, pixels: Tensor) -> nn.Module | None:
    """Return the last convolution, in the order of computation, with an output above 1 × 1."""
    seen: list[nn.Module] = []

    def note(layer: nn.Module, _: Any, output: Tensor) -> None:
        if min(output.shape[2:]) > 1:
            seen.append(layer)

    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(note) for layer in convolutions]
    with torch.inference_mode():
        network.logits(pixels[:1])
    for hook in hooks:
        hook.remove()
    return seen[-1] if seen else None
