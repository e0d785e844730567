"""What a student is taught: by known answers, a reference for the loss, and whole fits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from torch.nn import functional

from pipeline.config.distillation import Student
from pipeline.config.training import Training
from pipeline.core.artifacts import Card, OutOfFold
from pipeline.core.component import make, schema
from pipeline.core.errors import UserError
from pipeline.core.files import write_json
from pipeline.core.paths import Layout
from pipeline.prediction.predictor import Predictor, predict_logits
from pipeline.training.balance import Balance
from pipeline.training.batches import Batch, moved, split
from pipeline.training.datamodule import DataModule, Inputs
from pipeline.training.distillation import Teacher, softened, teacher_of
from pipeline.training.objective import objective_of
from tests.training.fits import MIXED, fit_here, job, recipe
from tests.training.test_data import inputs

CPU = torch.device("cpu")
TRAINING = Training(epochs=1, batch_size=8, lr=0.1)
BALANCE = Balance(TRAINING, "classes", [8, 8, 8], [8, 8, 8], num_outputs=3)


def student(**settings: Any) -> Student:
    return Student(recipe="cnn", **settings)


def held_out(num: int = 46, seed: int = 0) -> OutOfFold:
    """What an ensemble predicts for the images of `inputs`."""
    logits = 2 * np.random.default_rng(seed).normal(size=(num, 3))
    ids = np.array([f"image {i}" for i in range(num)])
    return OutOfFold(ids, np.zeros(num, np.int64), {"mean": log_softmax(logits, axis=1)})


@given(st.permutations(range(12)), st.permutations(range(12)))
def test_a_teacher_is_found_by_id_in_any_order(stored: list[int], asked: list[int]) -> None:
    known = held_out(12)
    (predicted,) = known.systems.values()
    shuffled = OutOfFold(known.ids[stored], known.targets, {"mean": predicted[stored]})
    taught = teacher_of(shuffled, known.ids[asked], "softmax", student())
    np.testing.assert_allclose(taught.targets, np.exp(predicted[asked]), rtol=1e-6)


def write_packed(folder: Path, ids: np.ndarray, folds: np.ndarray) -> None:
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", np.zeros((len(ids), 2, 2, 1), np.uint8))
    for name, part in (("targets", np.zeros(len(ids), np.int64)), ("ids", ids), ("folds", folds)):
        np.save(folder / f"{name}.npy", part)


def test_copies_have_the_teacher_of_their_originals(tmp_path: Path) -> None:
    """Also those of an image whose own id looks like that of a copy."""
    layout, ids = Layout(tmp_path), np.array(["a", "a#1", "b", "c"])
    folds = np.array([1, 1, 0, 1])
    write_packed(layout.trainval, ids, folds)
    origins = np.array(["a#1", "c", "b", "a#1"])
    copies = np.array(["a#1#1", "c#1", "b#1", "a#1#2"])
    write_packed(layout.augmentation / "copies", copies, np.array([1, 1, 0, 1]))
    np.save(layout.augmentation / "copies/origins.npy", origins)
    write_json(layout.augmentation / "policy.json", {})
    Card(("x", "y"), (2, 2, 1), "crop", 2, {}, (0.5,), (0.2,), "").save(layout.card)
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.3, 0.7]])
    OutOfFold(ids, np.zeros(4, np.int64), {"mean": np.log(probs)}).save(layout.teacher)
    opened = Inputs.open(layout, 0)
    given_ = opened.taught(layout, student(), "softmax")
    assert given_.train.ids.tolist() == ["a", "a#1", "c", "a#1#1", "c#1", "a#1#2"]
    assert given_.teacher
    np.testing.assert_allclose(given_.teacher.targets, probs[[0, 1, 3, 1, 3, 1]], rtol=1e-6)
    assert opened.taught(layout, student(weight=0), "softmax").teacher is None
    with pytest.raises(UserError, match="1 training samples, such as zz, have no out-of-fold"):
        teacher_of(OutOfFold.load(layout.teacher), np.array(["a", "zz"]), "softmax", student())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_temperature_divides_logits(temperature: float) -> None:
    logits = 5 * np.random.default_rng(0).normal(size=(20, 4))
    expected = softmax(logits / temperature, axis=1)
    np.testing.assert_allclose(softened(log_softmax(logits, axis=1), temperature), expected)


def test_each_task_has_targets_that_its_losses_take() -> None:
    ids, none = np.array(["a", "b"]), np.zeros(2)
    two = np.log([[0.8, 0.2], [0.4, 0.6]])
    labels = np.stack([two, two[::-1]], axis=1)
    for predicted, activation, expected in (
        (two, "softmax", [[0.8, 0.2], [0.4, 0.6]]),
        (two, "sigmoid", [[0.2], [0.6]]),  # binary: of the second class
        (labels, "sigmoid", [[0.2, 0.6], [0.6, 0.2]]),  # multilabel: of presence
        (two, "identity", two),
    ):
        known = OutOfFold(ids, none, {"mean": predicted})
        taught = teacher_of(known, ids, activation, student())
        np.testing.assert_allclose(taught.targets, expected, rtol=1e-6)


def objective(own: Student | None, scale: Any = (), name: str = "cross_entropy", **settings: Any):
    balance = replace(BALANCE, settings=TRAINING.model_copy(update=settings))
    return objective_of(make("loss", name), scale, balance, 0, CPU, own)


@pytest.mark.parametrize(("temperature", "weight"), [(1.0, 0.9), (4.0, 0.7), (2.0, 1.0)])
def test_the_loss_is_that_of_hinton_et_al(temperature: float, weight: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator)
    teacher, labels = 3 * torch.randn(6, 3, generator=generator), torch.tensor([0, 1, 2, 0, 1, 2])
    soft = functional.softmax(teacher / temperature, dim=1)
    found = objective(student(temperature=temperature, weight=weight))(
        logits, Batch(torch.empty(6), labels, taught=soft)
    )
    divergence = functional.kl_div(
        functional.log_softmax(logits / temperature, dim=1), soft, reduction="batchmean"
    )
    entropy = -(soft * soft.log()).sum(dim=1).mean()
    expected = weight * temperature**2 * (divergence + entropy)
    expected += (1 - weight) * functional.cross_entropy(logits, labels)
    torch.testing.assert_close(found, expected)


def test_a_temperature_divides_adjusted_logits() -> None:
    """As the loss of the labels adds to the logits, so does that of the teacher, before T."""
    logits, soft = torch.zeros(1, 3), torch.tensor([[0.5, 0.3, 0.2]])
    balance = replace(
        BALANCE, train=[60, 30, 10], settings=TRAINING.model_copy(update={"logit_adjustment": 1.0})
    )
    own = student(temperature=2.0, weight=1.0)
    found = objective_of(make("loss", "cross_entropy"), (), balance, 0, CPU, own)
    seen = torch.tensor([0.6, 0.3, 0.1]).log() / 2
    expected = 4 * functional.cross_entropy(seen[None], soft)
    batch = Batch(torch.empty(1), torch.tensor([0]), taught=soft)
    torch.testing.assert_close(found(logits, batch), expected)


def test_values_are_taught_in_their_own_units() -> None:
    scale = ((10.0, 0.0), (2.0, 5.0))
    own = objective(student(weight=1.0), scale, "mse")
    taught = torch.tensor([[12.0, -5.0]], dtype=torch.float64)
    batch = Batch(torch.empty(1), torch.zeros(1, 2, dtype=torch.float64), taught=taught)
    torch.testing.assert_close(own(torch.tensor([[1.0, -1.0]]), batch), torch.tensor(0.0))
    torch.testing.assert_close(own(torch.tensor([[3.0, -1.0]]), batch), torch.tensor(2.0))


def test_mixed_images_have_the_mixed_targets_of_a_teacher() -> None:
    """The teacher's targets go with the image, through mixing, parts and devices."""
    known, data = held_out(), inputs("crop_flip", MIXED)
    teacher = teacher_of(known, data.train.ids, "softmax", student())
    module = DataModule(replace(data, teacher=teacher), TRAINING, seed=5)
    (predicted,) = known.systems.values()
    for number, batch in enumerate(module.batches(epoch=0)):
        rows = [int(id_.removeprefix("image ")) for id_ in module.ids(0, number)]
        assert batch.taught is not None
        np.testing.assert_allclose(batch.taught, np.exp(predicted[rows]), rtol=1e-6)
        first, second = split(moved(batch, CPU), 2)
        assert first.taught is not None
        assert second.taught is not None
        assert torch.equal(torch.cat([first.taught, second.taught]), batch.taught)
        if batch.other_targets is None:
            assert batch.other_taught is None
            continue
        assert batch.other_taught is not None
        logits = torch.zeros(8, 3)
        loss = objective(student(weight=1.0))
        alone = [
            loss(logits, Batch(batch.images, batch.targets, taught=taught))
            for taught in (batch.taught, batch.other_taught)
        ]
        mixed = batch.share * alone[0] + (1 - batch.share) * alone[1]
        torch.testing.assert_close(loss(logits, batch), mixed)


def test_a_student_of_a_constant_teacher_predicts_the_constant(tmp_path: Path) -> None:
    """Whatever the labels are: with the whole weight, they have no say.

    Validation has labels in the shares that the teacher predicts, since it chooses the epoch.
    """
    data, counts = inputs("none", None), [28, 14, 4]
    constant = np.tile(np.float32(counts) / 46, (46, 1))
    val = data.val._replace(targets=np.repeat([0, 1, 2], counts))
    teacher = Teacher(constant, student(weight=1.0))
    wanted = job(tmp_path, recipe({"epochs": 30, "weight_decay": 0.0}, {"dropout": 0.0}))
    network = fit_here(wanted, replace(data, val=val, teacher=teacher))
    probs = softmax(predict_logits(network, data.val.images, CPU), axis=1)
    labels = np.bincount(data.train.targets) / 46
    assert np.abs(labels - constant[0]).max() > 0.2
    assert np.abs(probs.mean(axis=0) - constant[0]).max() < 0.03


def test_without_a_weight_it_is_plain_training_bit_for_bit(tmp_path: Path) -> None:
    data = inputs("crop_flip", MIXED)
    plain = fit_here(job(tmp_path / "plain", recipe({})), data).state_dict()
    teacher = teacher_of(held_out(), data.train.ids, "softmax", student(weight=0.0))
    same = fit_here(job(tmp_path / "same", recipe({})), replace(data, teacher=teacher)).state_dict()
    assert all(torch.equal(value, same[name]) for name, value in plain.items())
    taught = replace(data, teacher=replace(teacher, student=student()))
    other = fit_here(job(tmp_path / "other", recipe({})), taught).state_dict()
    assert not all(torch.equal(value, other[name]) for name, value in plain.items())


def test_a_student_predicts_the_fold_that_it_has_not_seen(tmp_path: Path) -> None:
    """And no other: of a single network, the other folds are its training data."""
    network = fit_here(job(tmp_path, recipe({"epochs": 1})), inputs("none", None))
    trainval = inputs("none", None).train._replace(folds=np.arange(46) % 3)
    found = Predictor([network], CPU).validate(trainval)
    assert found.ids.tolist() == trainval.ids[trainval.folds == 0].tolist()
    assert np.isfinite(found.logits).all()


def test_losses_that_teach_are_named() -> None:
    teaching = ("cross_entropy", "binary_cross_entropy", "mse", "mae", "huber")
    assert all(schema("loss", name).SOFT_TARGETS for name in teaching)
