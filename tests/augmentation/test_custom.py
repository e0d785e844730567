"""Any transform in params.yaml works, or is refused with its location and the nearest name."""

import copy
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.augmentation.counter import sample_keys
from pipeline.augmentation.freeze import freeze
from pipeline.augmentation.library import REFUSED, allowed, build
from pipeline.augmentation.policy import Augmenter
from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.component import make
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml
from tests.conftest import ROOT

TREE = read_yaml(ROOT / "params.yaml")
FLIP = {"name": "HorizontalFlip", "p": 0.5}
AT = "params.yaml: augmentation.policy.transforms"


def parsed(*transforms: Any) -> Params:
    tree = copy.deepcopy(TREE)
    tree["augmentation"] = {"policy": {"name": "custom", "transforms": list(transforms)}}
    return parse_params(tree, "params.yaml")


def test_transforms_are_built_with_their_arguments() -> None:
    noise = {"name": "OneOf", "p": 0.25, "transforms": [{"name": "GaussNoise"}, {"name": "Blur"}]}
    affine = {"name": "Affine", "rotate": [-10, 10], "translate_percent": {"x": [0, 0.1]}}
    policy = parsed(FLIP, affine, noise).augmentation.policy
    frozen = freeze(policy, (16, 16, 3), online=True, mixing=None)["policy"]["transform"]
    flip, turn, one_of = frozen["transforms"]
    assert (flip["__class_fullname__"], flip["p"]) == ("HorizontalFlip", 0.5)
    assert turn["rotate"] == [-10, 10]
    assert turn["translate_percent"]["x"] == [0, 0.1]
    assert one_of["p"] == 0.25
    assert [t["__class_fullname__"] for t in one_of["transforms"]] == ["GaussNoise", "Blur"]


@pytest.mark.parametrize(
    ("transform", "printed"),
    [
        ({"name": "HorizontalFlp"}, "; nearest HorizontalFlip"),
        ({"name": "qqq"}, ".1.name: got 'qqq'; allowed an image transform of albumentations"),
        ({"name": 3}, ".1.name: got 3; allowed an image transform"),
        ({"p": 0.5}, ".1: got {p: 0.5}; allowed a mapping with the name"),
        ({"name": "Affine", "rotat": 3}, ".1.rotat: got 3; allowed balanced_scale, border_mode"),
        ({"name": "Affine", "rotat": 3}, "; nearest rotate"),
        ({"name": "HorizontalFlip", "p": 2}, ".1.p: got 2; allowed less than or equal to 1"),
        ({"name": "HorizontalFlip", "strict": True}, ".1.strict: got true; allowed p"),
        ({"name": "Affine", "rotate": "far"}, ".1.rotate: got 'far'; allowed a valid tuple"),
        ({"name": "GaussNoise", "std_range": [0.5, 0.1]}, ".1.std_range: got [0.5, 0.1]; allowed"),
        ({"name": "RandomCrop", "width": 4}, ".1.height: missing; write a value for it"),
        ({"name": "Normalize"}, "allowed transforms that return uint8"),
        ({"name": "RandomScale"}, "transforms that make images of one size"),
        ({"name": "MaskDropout"}, "transforms that need the image alone"),
        ({"name": "Lambda"}, "transforms that need the image alone"),
        ({"name": "OneOf"}, ".1.transforms: missing"),
        ({"name": "OneOf", "transforms": []}, ".1.transforms: got []; allowed"),
        ({"name": "OneOf", "transforms": [FLIP], "p": "x"}, ".1.p: got 'x'; allowed a valid numb"),
        ({"name": "OneOf", "transforms": [FLIP], "n": 2}, ".1.n: got 2; allowed p, transforms"),
        ({"name": "OneOf", "transforms": [FLIP, {"name": "Blr"}]}, "transforms.1.name: got 'Blr'"),
        ({"name": "OneOf", "transforms": [{**FLIP, "p": 0.0}]}, ".1: got 'OneOf'; allowed"),
        ({"name": "SomeOf", "transforms": [FLIP], "n": 2}, "`n` is greater than number"),
        ({"name": "SomeOf", "transforms": [FLIP], "n": 0}, ".1.n: got 0; allowed greater than"),
    ],
    ids=str,
)  # fmt: skip
def test_mistakes_are_refused_with_their_place(transform: dict[str, Any], printed: str) -> None:
    with pytest.raises(UserError) as caught:
        parsed(FLIP, transform)
    message = str(caught.value)
    assert message.startswith(AT)
    assert printed in message


@pytest.mark.parametrize("given", [[], None, 3, [3], [[FLIP]]], ids=str)
def test_what_is_no_list_of_transforms_is_refused(given: Any) -> None:
    tree = copy.deepcopy(TREE)
    tree["augmentation"] = {"policy": {"name": "custom", "transforms": given}}
    with pytest.raises(UserError, match=r"augmentation\.policy\.transforms"):
        parse_params(tree, "params.yaml")


@pytest.mark.parametrize(
    ("transforms", "printed"),
    [
        ([{"name": "RandomCrop", "height": 8, "width": 8, "p": 0.5}], "allowed one size"),
        ([{"name": "Affine", "fit_output": True, "rotate": [-45, 45]}], "allowed one size"),
        ([{"name": "RandomCrop", "height": 99, "width": 8}], "fails on images of 16×16×1"),
        ([{"name": "RandomFog"}], "fails on images of 16×16×1"),
        ([{"name": "ToRGB"}], "turns 1 channels into 3"),
    ],
)
def test_what_only_the_images_show_is_refused_when_frozen(
    transforms: list[dict[str, Any]], printed: str
) -> None:
    policy = parsed(*transforms).augmentation.policy
    with pytest.raises(UserError, match=printed):
        freeze(policy, (16, 16, 1), online=True, mixing=None)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
KEYS = st.sampled_from(["p", "transforms", "n", "fill", "scale", "blur_limit", "rotate", "qqq", 3])


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from([*allowed(), *REFUSED]) | ANYTHING,
    arguments=st.dictionaries(KEYS, ANYTHING, max_size=2),
)
def test_anything_is_accepted_or_refused_in_one_line(name: Any, arguments: dict[Any, Any]) -> None:
    try:
        parsed({"name": name, **arguments})
    except UserError as error:
        assert str(error).startswith("params.yaml: augmentation.policy.transforms.0")
        assert "\n" not in str(error)


REQUIRED: dict[str, dict[str, Any]] = {
    "CenterCrop": {"height": 16, "width": 16},
    "Crop": {"x_max": 16, "y_max": 16},
    "CropAndPad": {"px": (-4, 4)},
    "GridElasticDeform": {"num_grid_xy": (4, 4), "magnitude": 3},
    "LongestMaxSize": {"max_size": 40},
    "RandomCrop": {"height": 16, "width": 16},
    "RandomResizedCrop": {"size": (16, 16)},
    "RandomSizedCrop": {"min_max_height": (10, 20), "size": (16, 16)},
    "SmallestMaxSize": {"max_size": 20},
    "PadIfNeeded": {"min_height": 40, "min_width": 40},
    "XYMasking": {"num_masks_x": 2, "num_masks_y": 2, "mask_x_length": 3, "mask_y_length": 3},
    "Resize": {"height": 16, "width": 16},
    "FrequencyMasking": {"freq_mask_param": 4},
    "TimeMasking": {"time_mask_param": 4},
    **{group: {"transforms": [FLIP], "p": 1.0} for group in ("OneOf", "SomeOf", "RandomOrder")},
    "Sequential": {"transforms": [FLIP], "p": 1.0},
}


@pytest.mark.parametrize("name", allowed())
def test_every_allowed_transform_is_a_function_of_its_sample(name: str) -> None:
    """The library draws random numbers only from the generators that it is given."""
    transform = {"name": name, **REQUIRED.get(name, {})}
    policy = make("policy", "custom", transforms=(transform,))  # type: ignore[call-arg]
    rng = np.random.default_rng(0)
    images = np.sort(rng.integers(0, 256, (6, 24, 24, 3), np.uint8), axis=1)
    before, keys = images.copy(), sample_keys(np.arange(6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frozen = freeze(policy, (24, 24, 3), online=True, mixing=None)
        whole = Augmenter(frozen, 0)(images, 0, keys)
        used = Augmenter(frozen, 0)
        used(images, 1, keys)
        alone = [used(images[i : i + 1], 0, keys[i : i + 1])[0] for i in reversed(range(6))]
    np.testing.assert_array_equal(whole, alone[::-1])
    np.testing.assert_array_equal(images, before)


def test_a_transform_that_writes_in_place_leaves_the_input_alone() -> None:
    policy = parsed({"name": "Equalize", "mode": "pil", "p": 1.0}).augmentation.policy
    images = np.random.default_rng(0).integers(0, 99, (2, 32, 32, 1), np.uint8)
    before = images.copy()
    made = Augmenter(freeze(policy, (32, 32, 1), online=True, mixing=None), 0)
    assert (made(images, 0, sample_keys(np.arange(2))) != before).any()
    np.testing.assert_array_equal(images, before)


def test_nothing_is_both_refused_and_allowed() -> None:
    assert not REFUSED.keys() & allowed().keys()
    assert len(build([{"name": name, **REQUIRED.get(name, {})} for name in allowed()])) > 80
