"""Hard conditions on systems whose fate is known."""

import numpy as np
import torch
from torch import nn

from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Bootstrap
from pipeline.evaluation.metrics import metrics
from pipeline.inspection.robustness import Systems, attacked, corrupted, goal, write
from pipeline.models.network import Network
from pipeline.prediction.predictor import Predictor
from pipeline.tasks.multiclass import predictions

SHAPE, NUM = (8, 8, 1), 60


class Half(nn.Module):
    """Answers 1 where the right half is lighter than the left, or where it is `blind` always."""

    def __init__(self, blind: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.0 if blind else 20.0))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        left, right = pixels[..., :4].mean((1, 2, 3)), pixels[..., 4:].mean((1, 2, 3))
        logit = self.scale * (right - left) + 0.01
        return torch.stack([-logit, logit], dim=1)


def systems() -> Systems:
    device = torch.device("cpu")
    members = {
        name: Predictor([Network(Half(blind), SHAPE, 2).eval()], device)
        for name, blind in (("seeing", False), ("blind", True))
    }
    names = tuple(members)
    only = {"seeing": [1.0, 0.0], "blind": [0.0, 1.0], "both": [0.5, 0.5]}
    combiners = {
        name: Combiner("mean", names, [{"weights": np.array(w)}], "none", {"none": [{}]},
                       PredictionType("classes"), Decision("most_probable"))
        for name, w in only.items()
    }  # fmt: skip
    return Systems(members, combiners, predictions)


def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, NUM)
    made = np.full((NUM, *SHAPE), 100, np.uint8)
    for image, target in zip(made, targets, strict=True):
        image[:, 4 * target : 4 * target + 4] = 140
    return made, targets


def make_evaluator(targets: np.ndarray) -> Evaluator:
    ids = np.array([f"{i}" for i in range(NUM)])
    bootstrap = Bootstrap(np.arange(NUM), np.ones(NUM), 100, 0.95, 0)
    measured = metrics("classes", 2, num_bins=5, top_k=3, costs=None, positive=None)
    return Evaluator(
        kind="classes",
        names=("l", "r"),
        ids=ids,
        targets=targets,
        groups=np.arange(NUM),
        weights=np.ones(NUM),
        metrics=measured,
        headline="accuracy",
        bootstrap=bootstrap,
        confidence=0.95,
        margin=None,
    )


def test_light_does_no_harm_and_no_contrast_does() -> None:
    made, targets = images()
    found = {
        (c.condition, c.strength, c.system): c.figure.value
        for c in corrupted(
            systems(), make_evaluator(targets), made, ["brightness", "gaussian_noise"], [1, 5]
        )
    }
    assert found["none", 0, "seeing"] == found["brightness", 5, "seeing"] == 1
    assert found["none", 0, "blind"] == targets.mean()
    assert found["gaussian_noise", 5, "seeing"] < found["gaussian_noise", 1, "seeing"] <= 1
    assert len(found) == 3 * (1 + 2 * 2)


def test_an_attack_fools_the_member_it_knows() -> None:
    made, targets = images()
    found = {
        (c.condition, c.strength, c.system): c.figure.value
        for c in attacked(
            systems(), make_evaluator(targets), made, [0.02, 0.3], goal("softmax", targets, ())
        )
    }
    for method in ("fgsm", "pgd"):
        assert found[f"{method} on seeing", 0.02, "seeing"] == 1
        assert found[f"{method} on seeing", 0.3, "seeing"] == 0
        assert found[f"{method} on blind", 0.3, "seeing"] == 1
        assert found[f"{method} on seeing", 0.3, "blind"] == targets.mean()


def test_each_activation_has_its_loss() -> None:
    rows = np.arange(3)
    softmax = goal("softmax", rows, ())
    assert softmax.loss(torch.zeros(3, 3), softmax.targets).shape == (3,)
    binary = goal("sigmoid", np.array([0, 1]), ())
    torch.testing.assert_close(binary.targets, torch.tensor([[0.0], [1.0]]))
    values = goal("identity", np.array([[12.0], [8.0]]), ((10.0,), (2.0,)))
    torch.testing.assert_close(values.targets, torch.tensor([[1.0], [-1.0]]))


def test_the_table_has_a_row_a_figure(tmp_path) -> None:
    made, targets = images()
    found = list(corrupted(systems(), make_evaluator(targets), made, ["jpeg"], [2]))
    write(tmp_path / "robustness.csv", found, "accuracy")
    lines = (tmp_path / "robustness.csv").read_text().splitlines()
    assert lines[0] == "condition,strength,system,accuracy,low,high,num_samples"
    assert len(lines) == 1 + 3 * 2
    assert lines[1].startswith("none,0.0,seeing,1.0,0.9")
    assert lines[1].endswith(",1.0,60")
