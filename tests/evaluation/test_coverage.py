"""Coverage where few samples decide: errors with heavy tails, and rare classes that count much."""

import numpy as np
import pytest

from pipeline.core.artifacts import Samples
from pipeline.evaluation.intervals import Bootstrap
from pipeline.evaluation.metrics import metrics
from pipeline.evaluation.outputs import SystemOutput
from pipeline.evaluation.slices import slices
from tests.evaluation.systems import make_evaluator, make_targets

NUM_REPETITIONS = 1000


@pytest.mark.parametrize(
    ("num", "freedom", "least"), [(20, None, 0.92), (50, None, 0.93), (360, 5, 0.9)]
)
def test_the_interval_of_rmse_covers(num: int, freedom: int | None, least: float) -> None:
    """Percentiles covered in 89 % of twenty errors; heavy tails cost some coverage in any case."""
    rng, covered = np.random.default_rng(0), 0
    true = 1.0 if freedom is None else (freedom / (freedom - 2)) ** 0.5
    rmse = {"rmse": metrics("values", 1, num_bins=5, top_k=1, costs=None, positive=None)["rmse"]}
    bootstrap, targets = Bootstrap(np.arange(num), np.ones(num), 300, 0.95, 0), np.zeros((num, 1))
    for _ in range(NUM_REPETITIONS):
        errors = rng.normal(size=num) if freedom is None else rng.standard_t(freedom, num)
        made = SystemOutput(errors[:, None], errors[:, None])
        found = bootstrap.estimates(rmse, made, targets)["rmse"]
        covered += found.low <= true <= found.high
    assert least < covered / NUM_REPETITIONS < 0.98


@pytest.mark.parametrize(
    ("num", "shares"),
    [(300, (0.97, 0.02, 0.01)), (500, (0.9, 0.08, 0.02)), (2000, (0.9, 0.09, 0.01))],
)
def test_the_interval_of_an_accuracy_covers_where_rare_classes_count_as_much_as_others(
    num: int, shares: tuple[float, ...]
) -> None:
    """Three samples of a class, which a third of the figure rests on, often are all right: the
    interval then held the truth in 70 %."""
    rng, recalls, covered = np.random.default_rng(0), np.array([0.98, 0.9, 0.8]), []
    own = {"a": metrics("classes", 3, num_bins=5, top_k=3, costs=None, positive=None)["accuracy"]}
    for _ in range(NUM_REPETITIONS // 2):
        targets = rng.choice(3, num, p=shares)
        counts = np.bincount(targets, minlength=3)
        if not counts.all():
            continue
        bootstrap = Bootstrap(np.arange(num), (num / 3 / counts)[targets], 300, 0.95, 0)
        right = rng.random(num) < recalls[targets]
        made = SystemOutput(np.zeros((num, 3)), np.where(right, targets, (targets + 1) % 3))
        found = bootstrap.estimates(own, made, targets)["a"]
        covered.append(found.low <= recalls.mean() <= found.high)
    assert 0.92 < np.mean(covered) < 0.99


def test_a_part_has_the_interval_that_its_samples_alone_have() -> None:
    num = 400
    targets = make_targets("values", num)
    made = targets + np.random.default_rng(0).standard_t(4, targets.shape)
    part = np.arange(num) % 2 == 0
    ids = [str(i) for i in range(num)]
    site = np.where(part, "a", "b").tolist()
    samples = Samples({"id": ids, "fold": ["0"] * num, "unit": ids, "site": site})
    found = slices(
        make_evaluator("values", targets, num_draws=2000), SystemOutput(made, made), samples
    )
    own = next(one for one in found if one.part == "a").figure
    half = make_evaluator("values", targets[part], num_draws=2000)
    alone = half.bootstrap.estimate(half.measure(SystemOutput(made[part], made[part])))
    assert own.value == pytest.approx(alone.value)
    assert own.low == pytest.approx(alone.low, rel=0.05)
    assert own.high == pytest.approx(alone.high, rel=0.05)
