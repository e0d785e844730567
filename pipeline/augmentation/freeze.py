"""Freeze a policy: serialise the choices in params.yaml with albumentations itself."""

import json
from typing import Any

from pipeline.augmentation.backend import A, without_torch
from pipeline.augmentation.probe import probe
from pipeline.core.component import Component, load
from pipeline.core.errors import UserError


def freeze(
    policy: Component,
    image_shape: tuple[int, ...],
    *,
    online: bool,
    mixing: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return all that training reads: the policy as albumentations serialises it, and the rest.

    Args:
        policy: the chosen policy's parameters.
        image_shape: height, width, channels of the stored images, px.
        online: false leaves the stored images unchanged during training.
        mixing: how pairs within a batch are mixed; None for no mixing.

    Raises:
        UserError: the policy cannot handle images of this shape, or its output size varies.
    """
    height_px, width_px = image_shape[:2]
    module = load("policy", policy)
    compose = A.Compose(module.transforms(policy, height_px, width_px))
    frozen = _frozen(compose, policy.name, image_shape)
    shape = frozen["output_shape"] if online else frozen["image_shape"]
    return {**frozen, "output_shape": shape, "online": online, "mixing": mixing}


def policy_of(stored: dict[str, Any], own: Component | None) -> dict[str, Any]:
    """Return the frozen policy of a recipe.

    Args:
        stored: the policy of the section `augmentation`, as it is frozen in policy.json.
        own: the recipe's own policy, which takes its place; mixing stays as it is.

    Raises:
        UserError: the recipe's policy cannot handle the images.
    """
    if own is None:
        return stored
    try:
        return freeze(own, tuple(stored["image_shape"]), online=True, mixing=stored["mixing"])
    except UserError as error:
        raise UserError(f"{error}".removeprefix("augmentation.")) from error


def alone(transform: dict[str, Any], image_shape: tuple[int, ...]) -> dict[str, Any]:
    """Return one transform of a frozen policy as a policy of its own, applied to every image."""
    with without_torch():
        compose = A.Compose([A.from_dict({"transform": {**transform, "p": 1.0}})])
    return _frozen(compose, transform["__class_fullname__"], image_shape)


def _frozen(compose: Any, name: str, image_shape: tuple[int, ...]) -> dict[str, Any]:
    frozen = {
        "policy": A.to_dict(compose),
        "online": True,
        "mixing": None,
        "image_shape": image_shape,
        "output_shape": probe(compose, name, image_shape),
    }
    return dict(json.loads(json.dumps(frozen)))  # as it will be read back
