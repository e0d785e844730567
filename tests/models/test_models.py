"""Conformance of every model, found by its file."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.core.artifacts import Card
from pipeline.core.component import load, make, names
from pipeline.core.errors import UserError
from pipeline.models.blocks import blocks
from pipeline.models.network import Network
from pipeline.models.precision import Arithmetic
from pipeline.prediction.predictor import predict_logits

SHAPES = [(8, 8, 1), (28, 28, 1), (33, 20, 3), (224, 224, 3)]
MODELS = names("model")
CPU = torch.device("cpu")


def card(shape: tuple[int, int, int]) -> Card:
    channels = shape[2]
    return Card(("a", "b", "c"), shape, "crop", 1, {}, (0.4,) * channels, (0.2,) * channels, "")


def network(name: str, shape: tuple[int, int, int] = (28, 28, 1), seed: int = 0) -> Network:
    return Network.create(make("model", name), card(shape), shape, 3, seed)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MODELS)
def test_logits_have_a_column_for_each_output(name: str, shape: tuple[int, int, int]) -> None:
    params = make("model", name)
    module = load("model", params)
    body = module.build(params, shape, 5)
    logits = body(torch.zeros(2, shape[2], *shape[:2]))
    assert logits.shape == (2, 5)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize("name", MODELS)
def test_two_images_are_enough_to_train_on(name: str) -> None:
    made = network(name).train()
    optimizer = torch.optim.SGD(made.parameters(), lr=1e-3)
    before = [p.detach().clone() for p in made.parameters()]
    loss = made(torch.randint(0, 256, (2, 28, 28, 1), dtype=torch.uint8)).square().sum()
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    assert any(not torch.equal(a, b) for a, b in zip(before, made.parameters(), strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_is_in_one_block_and_the_classifier_in_the_last(name: str) -> None:
    body = network(name).body
    found = blocks(body)
    assert sorted(chain.from_iterable(found)) == sorted(n for n, _ in body.named_parameters())
    assert len(found) >= 2
    assert any(body.get_parameter(n).shape[0] == 3 for n in found[-1])


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_reaches_every_parameter(name: str) -> None:
    made = network(name)
    with torch.no_grad():  # a branch that starts at zero would hide what is behind it
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    images = torch.randint(0, 256, (8, 28, 28, 1), dtype=torch.uint8)
    made(images).square().sum().backward()
    for label, parameter in made.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.abs().sum() > 0, label


@pytest.mark.parametrize("name", MODELS)
def test_weights_depend_on_the_seed_alone(name: str) -> None:
    torch.manual_seed(5)
    first = network(name, seed=1).state_dict()
    torch.rand(3)
    again, other = network(name, seed=1).state_dict(), network(name, seed=2).state_dict()
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


def test_making_a_network_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    network(MODELS[0])
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_saved_comes_back_and_is_the_same_bytes(name: str, tmp_path: Path) -> None:
    made, images = (
        network(name),
        np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8),
    )
    for folder in ("a", "b"):
        made.save(tmp_path / folder, make("model", name))
    loaded = Network.load(tmp_path / "a")
    expected = predict_logits(made, images, CPU)
    np.testing.assert_array_equal(predict_logits(loaded, images, CPU), expected)
    for file in ("weights.safetensors", "design.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_predictions_do_not_depend_on_the_batch(name: str) -> None:
    made, images = (
        network(name),
        np.random.default_rng(0).integers(0, 256, (7, 28, 28, 1), np.uint8),
    )
    whole = predict_logits(made, images, CPU)
    parts = predict_logits(made, images, CPU, batch_size=2)
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_the_memory_format_changes_no_result(memory_format) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), np.uint8)
    plain = predict_logits(network("resnet"), images, CPU)
    changed = network("resnet").arrange(Arithmetic("fp32", memory_format, ""))
    arranged = predict_logits(changed, images, CPU)
    np.testing.assert_allclose(arranged, plain, rtol=1e-4, atol=1e-4)


def test_the_network_normalises_with_the_cards_statistics() -> None:
    made = network("cnn", (8, 8, 1))
    seen = []
    made.body.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    made(torch.full((1, 8, 8, 1), 102, dtype=torch.uint8))  # 102 / 255 = 0.4, the mean
    assert seen[0].abs().max() < 1e-6


def test_a_missing_weight_file_is_named(tmp_path: Path) -> None:
    network("cnn").save(tmp_path / "cnn_1/fold_0", make("model", "cnn"))
    (tmp_path / "cnn_1/fold_0/weights.safetensors").unlink()
    with pytest.raises(UserError, match=r"weights\.safetensors: not found; run .*train@cnn_1"):
        Network.load(tmp_path / "cnn_1/fold_0")


def test_larger_images_are_cropped_at_their_centre() -> None:
    made = network("cnn", (8, 8, 1)).eval()
    large = torch.randint(0, 256, (3, 13, 10, 1), dtype=torch.uint8)
    assert torch.equal(made(large), made(large[:, 2:10, 1:9]))
