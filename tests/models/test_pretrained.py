"""Pretrained weights: files, first and last layers, statistics, and no network access."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from pipeline.core.artifacts import Card
from pipeline.core.component import Component, load, make, schema
from pipeline.core.errors import UserError
from pipeline.models import pretrained
from pipeline.models.network import Network

LIBRARIES = ["timm", "torchvision"]
COLOUR = (32, 32, 3)


def params(library: str, **given: Any) -> Component:
    return make("model", library, **given)


def fresh(library: str, shape: tuple[int, int, int], num_outputs: int, **given: Any) -> nn.Module:
    own = params(library, **given)
    module = load("model", own)
    return module.build(own, shape, num_outputs)


def started(
    library: str, path: Path, shape: tuple[int, int, int], num_outputs: int, **given: Any
) -> nn.Module:
    """Return a body with the weights of a file."""
    own = params(library, pretrained=str(path), **given)
    module = load("model", own)
    body = module.build(own, shape, num_outputs)
    module.load_pretrained(own, body)
    return body


def trained(library: str, path: Path, num_outputs: int, **given: Any) -> dict[str, torch.Tensor]:
    """Return weights, and save them in a file."""
    weights = fresh(library, COLOUR, num_outputs, **given).state_dict()
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    return weights


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_all_weights_of_a_file_that_fits_are_loaded(
    library: str, suffix: str, tmp_path: Path
) -> None:
    weights = trained(library, tmp_path / f"w.{suffix}", 5)
    loaded = started(library, tmp_path / f"w.{suffix}", COLOUR, 5).state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_classifier_starts_at_zero_for_another_number_of_classes(
    library: str, tmp_path: Path
) -> None:
    weights = trained(library, tmp_path / "w.safetensors", 5)
    loaded = started(library, tmp_path / "w.safetensors", COLOUR, 3).state_dict()
    differing = {name for name in weights if not torch.equal(loaded[name], weights[name])}
    assert differing == {"fc.weight", "fc.bias"}
    assert loaded["fc.weight"].shape[0] == 3
    assert not loaded["fc.weight"].any() and not loaded["fc.bias"].any()
    assert fresh(library, COLOUR, 3).state_dict()["fc.weight"].any()  # not without `pretrained`


@pytest.mark.parametrize(
    ("library", "architecture", "options"),
    [
        ("timm", "resnet10t", {}),
        ("timm", "convnext_atto", {}),
        ("timm", "densenet121", {}),
        ("timm", "tf_efficientnet_lite0", {}),
        ("timm", "vit_tiny_patch16_224", {"depth": 2}),
        ("timm", "deit_tiny_distilled_patch16_224", {"depth": 2}),  # two classifiers, averaged
        ("timm", "levit_128s", {}),  # two, each behind a batch norm
        ("torchvision", "resnet18", {}),
        ("torchvision", "mobilenet_v3_small", {}),
        ("torchvision", "squeezenet1_1", {}),  # a convolution, before a ReLU
    ],
)
def test_a_new_classifier_sets_out_from_ln_k_and_learns(
    library: str, architecture: str, options: dict[str, Any], tmp_path: Path
) -> None:
    given = {"architecture": architecture, "options": options}
    trained(library, tmp_path / "w.safetensors", 5, **given)
    body = started(library, tmp_path / "w.safetensors", COLOUR, 3, **given).train()
    images, targets = torch.randn(3, 3, 32, 32), torch.tensor([0, 1, 1])
    before = {name: p.detach().clone() for name, p in body.named_parameters()}
    loss = nn.functional.cross_entropy(body(images), targets)
    assert loss.item() == pytest.approx(math.log(3), rel=1e-6)
    loss.backward()
    torch.optim.SGD(body.parameters(), lr=0.001).step()
    moved = {name for name, p in body.named_parameters() if not torch.equal(p, before[name])}
    new = {n for n, w in before.items() if w.shape[:1] == (3,) and len(w.unique()) == 1}
    assert new and new <= moved


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_grey_image_gives_what_its_three_channels_gave(library: str, tmp_path: Path) -> None:
    trained(library, tmp_path / "w.safetensors", 5)
    colour = started(library, tmp_path / "w.safetensors", COLOUR, 5).eval()
    grey = started(library, tmp_path / "w.safetensors", (32, 32, 1), 5).eval()
    images = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(grey(images), colour(images.expand(2, 3, 32, 32)))


def test_a_transformer_of_another_size_keeps_its_blocks(tmp_path: Path) -> None:
    vit = {"architecture": "vit_tiny_patch16_224", "options": {"depth": 2}}
    own = params("timm", stem="keep", **vit)
    module = load("model", own)
    weights = module.build(own, (64, 64, 3), 5).state_dict()
    save_file(weights, tmp_path / "w.safetensors")
    loaded = started("timm", tmp_path / "w.safetensors", (32, 32, 1), 5, **vit).state_dict()
    assert all(torch.equal(loaded[n], weights[n]) for n in weights if n.startswith("blocks"))
    assert loaded["pos_embed"].shape[1] == 65


def test_auxiliary_classifiers_and_old_names_of_a_published_file(tmp_path: Path) -> None:
    weights = fresh("torchvision", COLOUR, 5, architecture="inception_v3").state_dict()
    extra = {"AuxLogits.fc.weight": torch.zeros(5, 768)}
    save_file(weights | extra, tmp_path / "inception.safetensors")
    given = {"architecture": "inception_v3"}
    started("torchvision", tmp_path / "inception.safetensors", COLOUR, 5, **given)
    weights = fresh("torchvision", COLOUR, 5, architecture="densenet121").state_dict()
    old = {
        n.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): w for n, w in weights.items()
    }
    assert old.keys() != weights.keys()
    save_file(old, tmp_path / "densenet.safetensors")
    given = {"architecture": "densenet121"}
    loaded = started("torchvision", tmp_path / "densenet.safetensors", COLOUR, 5, **given)
    assert all(torch.equal(loaded.state_dict()[name], weights[name]) for name in weights)


@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_of_another_architecture_are_refused(library: str, tmp_path: Path) -> None:
    trained(library, tmp_path / "w.safetensors", 5, architecture="resnet34")
    with pytest.raises(
        UserError, match=r"w\.safetensors: does not fit .*: layer1\.2\.\S+ is unknown"
    ):
        started(library, tmp_path / "w.safetensors", COLOUR, 5)
    given = {"architecture": "resnet50"}
    with pytest.raises(UserError, match=r"fc\.weight is 5 × 512, here 5 × 2048|is missing"):
        started(library, tmp_path / "w.safetensors", COLOUR, 5, **given)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("hello, weights")
    (tmp_path / "text.pth").write_text("hello, weights")
    torch.save({"epoch": 3, "state_dict": {}}, tmp_path / "run.pth")
    for name, message in [
        ("text.safetensors", "not a weight file"),
        ("text.pth", "not a weight file"),
        ("run.pth", "contains objects other than tensors"),
        ("none.pth", "which is not a file; allowed true, false or a weight"),
    ]:
        with pytest.raises(UserError, match=message):
            started("timm", tmp_path / name, COLOUR, 5)


class Planted:
    """The code that a harmful file would run when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_file_runs_no_code(tmp_path: Path) -> None:
    torch.save({"fc.weight": Planted(tmp_path / "mark")}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="not a weight file"):
        pretrained.read(tmp_path / "w.pth")
    assert not (tmp_path / "mark").exists()


@given(given=st.integers(1, 4), wanted=st.integers(1, 8))
def test_equal_channels_give_the_same_in_any_number_that_divides(given: int, wanted: int) -> None:
    weight = torch.randn(2, given, 3, 3, dtype=torch.float64)
    made = pretrained.of_channels(weight, wanted)
    assert made.shape == (2, wanted, 3, 3)
    if wanted == 1 or wanted % given == 0:
        torch.testing.assert_close(made.sum(1), weight.sum(1))


def test_statistics_are_those_of_the_weights() -> None:
    expected = {
        ("timm", "resnet18"): ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("timm", "vit_tiny_patch16_224"): ((0.5,) * 3, (0.5,) * 3),
        ("torchvision", "resnet18"): ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("torchvision", "inception_v3"): ((0.5,) * 3, (0.5,) * 3),
    }
    for (library, architecture), values in expected.items():
        own = params(library, architecture=architecture, pretrained=True)
        module = load("model", own)
        assert module.statistics(own, 3) == values
        assert module.statistics(own, 1)[0] == pytest.approx([sum(values[0]) / 3])
        own = params(library, architecture=architecture)
        module = load("model", own)
        assert module.statistics(own, 3) is None


@pytest.fixture
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Replace the caches of torch and of the hub by empty ones."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "torch"))
    yield tmp_path / "torch"
    torch.hub.set_dir(before)


@pytest.mark.parametrize(
    ("library", "place"),
    [("timm", "resnet18.a1_in1k.safetensors"), ("torchvision", "resnet18-f37072fd.pth")],
)
@pytest.mark.parametrize("why", ["HF_HUB_OFFLINE is set", "cannot be reached"])
def test_without_a_network_it_says_what_to_download_and_where_to(
    library: str, place: str, why: str, empty_caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1" if "set" in why else "0")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nothing listens
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    own = params(library, pretrained=True)
    module = load("model", own)
    with pytest.raises(
        UserError, match=rf"https://\S+: .*{why}.* `pretrained: data/weights/{place}`"
    ):
        module.check(own)


def test_published_weights_come_from_the_cache(empty_caches: Path) -> None:
    (empty_caches / "checkpoints").mkdir(parents=True)
    weights = trained("torchvision", empty_caches / "checkpoints/resnet18-f37072fd.pth", 5)
    own = params("torchvision", pretrained=True)
    module = load("model", own)
    module.check(own)
    body = module.build(own, COLOUR, 5)
    module.load_pretrained(own, body)
    assert torch.equal(body.state_dict()["conv1.weight"], weights["conv1.weight"])


def test_an_architecture_without_published_weights_says_so() -> None:
    own = params("timm", architecture="coatnet_0_224", pretrained=True)
    module = load("model", own)
    with pytest.raises(
        UserError, match="timm publishes no weights for coatnet_0_224; allowed false"
    ):
        module.check(own)


def test_a_network_takes_pretrained_weights_and_their_statistics(tmp_path: Path) -> None:
    """The statistics that training starts from; without `pretrained` they are those of the data."""
    card = Card(("a", "b"), (32, 32, 3), "crop", 1, {}, (0.1,) * 3, (0.9,) * 3, "")
    source = timm.create_model("resnet10t", num_classes=7)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    chosen = {"name": "timm", "architecture": "resnet10t"}
    fresh, tuned = (
        Network.create(schema("model", "timm")(**chosen, **more), card, (32, 32, 3), 2, seed=0)
        for more in ({}, {"pretrained": str(tmp_path / "w.safetensors")})
    )
    assert fresh.mean.flatten().tolist() == pytest.approx([0.1] * 3)
    assert tuned.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    weights = tuned.state_dict()
    assert torch.equal(weights["body.layer1.0.conv1.weight"], source.layer1[0].conv1.weight)
