"""The origin that a file of weights records: it is kept, trusted and shown."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline.core.component import Component, load, make
from pipeline.core.errors import UserError
from pipeline.models.provenance import KEY, Origin, describe, read, write
from tests.conftest import Workspace

ARCHITECTURE = "test_resnet"  # of timm, half a million parameters
KNOWN = Origin(
    source="a shop",
    licence="Apache-2.0",
    images="photographs",
    input_size_px=(48, 64),
    mean=(0.1, 0.2, 0.3),
    std=(0.4, 0.5, 0.6),
)
WEIGHTS = {"a": torch.arange(6.0).view(2, 3).T, "b": torch.ones(2)}  # a is not contiguous


def model(pretrained: bool | str, library: str = "timm", architecture: str = "") -> Component:
    architecture = architecture or ARCHITECTURE
    return make("model", library, architecture=architecture, pretrained=pretrained)


def statistics(chosen: Component, num_channels: int = 3) -> Any:
    module = load("model", chosen)
    return module.statistics(chosen, num_channels)


def test_weights_and_origin_come_back_and_repeat_byte_for_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(WEIGHTS, KNOWN, tmp_path / f"{name}.safetensors")
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    assert read(one) == KNOWN
    assert all(torch.equal(tensor, WEIGHTS[name]) for name, tensor in load_file(one).items())
    assert one.read_bytes() == two.read_bytes()
    with safe_open(one, "pt") as file:
        assert set(file.metadata()) == {KEY}  # with two keys, their order would be one of chance


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_what_a_file_says_of_its_images_goes_before_what_the_library_knows(
    library: str, tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    for origin, expected in (
        (KNOWN, (KNOWN.mean, KNOWN.std)),
        (Origin(licence="MIT"), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
    ):
        write(WEIGHTS, origin, path)
        assert statistics(model(str(path), library, "resnet18")) == expected
    write(WEIGHTS, KNOWN, path)
    ((mean,), (std,)) = statistics(model(str(path), library, "resnet18"), 1)
    assert (mean, std) == pytest.approx((0.2, 0.5))


def test_the_librarys_licence_is_not_taken_for_that_of_a_file(tmp_path: Path) -> None:
    save_file({"b": torch.ones(2)}, tmp_path / "w.safetensors", {"format": "pt"})
    torch.save({"b": torch.ones(2)}, tmp_path / "w.pth")
    for path in (tmp_path / "w.safetensors", tmp_path / "w.pth"):
        assert describe(model(str(path), architecture="tf_efficientnet_lite0")) == (
            f"no licence is recorded in {path}; made for images of 224 × 224 px, "
            "mean 0.5 0.5 0.5, std 0.5 0.5 0.5"
        )


def test_one_line_says_all_that_is_known(tmp_path: Path) -> None:
    write(WEIGHTS, KNOWN, tmp_path / "w.safetensors")
    assert describe(model(str(tmp_path / "w.safetensors"))) == (
        f"{tmp_path}/w.safetensors: licence Apache-2.0; from a shop; made for photographs of "
        "48 × 64 px, mean 0.1 0.2 0.3, std 0.4 0.5 0.6"
    )
    published = describe(model(True, architecture="tf_efficientnet_lite0"))
    assert published and published.startswith(
        "the published weights: licence apache-2.0; from timm/tf_efficientnet_lite0.in1k; made for "
    )
    unlicensed = describe(model(True, "torchvision", "inception_v3"))
    assert unlicensed and unlicensed.startswith(
        "no licence is recorded in the published weights; from https://"
    )
    assert "images of 299 × 299 px, mean 0.5 0.5 0.5" in unlicensed


def test_fresh_weights_have_no_origin() -> None:
    assert describe(model(False)) is None
    assert describe(make("model", "cnn")) is None


@pytest.mark.parametrize(
    ("held", "printed"),
    [
        ("{", r"metadata convoy: got '\{': Invalid JSON"),
        ('{"license": "MIT"}', "metadata convoy.license: got 'MIT': Extra inputs"),
        ('{"mean": [127], "std": [128]}', "metadata convoy.mean.0: got '127'.* equal to 1"),
        ('{"mean": [0.5]}', r"got mean \(0.5,\) and std None; allowed both, or neither"),
        ('{"licence": "a\\nb"}', r"metadata convoy.licence: got 'a\\nb'"),
    ],
)
def test_a_malformed_origin_is_refused_in_one_line(held: str, printed: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"b": torch.ones(2)}, path, metadata={KEY: held})
    with pytest.raises(
        UserError, match=rf"w\.safetensors: .*{printed}.*write the file again"
    ) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@given(st.dictionaries(st.sampled_from([*Origin.model_fields, "other"]), st.none() | st.text()))
def test_any_metadata_is_taken_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, held: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("any") / "w.safetensors"
    save_file({"b": torch.ones(2)}, path, metadata={KEY: json.dumps(held)})
    try:
        read(path)
    except UserError as error:
        assert "\n" not in str(error)


def test_a_file_that_is_torn_or_missing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "torn.safetensors").write_text("hello, weights")
    with pytest.raises(UserError, match=r"torn\.safetensors: not a weight file"):
        describe(model(str(tmp_path / "torn.safetensors")))
    with pytest.raises(UserError, match="which is not a file; allowed true, false or a"):
        describe(model(str(tmp_path / "none.safetensors")))


@pytest.mark.slow
def test_a_summary_ends_with_what_the_recipe_starts_from(workspace: Workspace) -> None:
    path = "data/weights/w.safetensors"
    write(timm.create_model(ARCHITECTURE).state_dict(), KNOWN, workspace.folder / path)
    chosen = model(path).model_dump()
    workspace.edit(lambda tree: tree["recipes"]["cnn"].update(model=chosen, search=None))
    command = ("python", "-m", "pipeline", "summary", "cnn")
    printed = workspace.run(*command, "--shape", "64", "64", "3", "--outputs", "3")
    assert printed.splitlines()[-1].startswith(f"{path}: licence Apache-2.0; from a shop; made for")
