"""Latency: what is timed takes turns, and the median's interval covers as it says."""

import csv

import numpy as np
import pytest

from pipeline.serving.latency import median, timed
from tests.conftest import Workspace


def test_works_take_turns_after_a_first_round_that_does_not_count() -> None:
    done: list[str] = []
    seconds = timed([lambda: done.append("a"), lambda: done.append("b")], num_rounds=3)
    assert done == ["a", "b"] * 4
    assert seconds.shape == (3, 2)
    assert (seconds >= 0).all()


def test_the_interval_of_the_median_is_the_textbooks() -> None:
    """W. Conover, Practical Nonparametric Statistics, 1999: of 20 values, the 6th to the 15th hold
    the median at 95 %."""
    found = median(np.random.default_rng(0).permutation(np.arange(1.0, 21)), 0.95)
    assert found[:3] == (10.5, 6, 15)
    assert found.num_samples == 20


@pytest.mark.parametrize("num", [10, 31])
def test_the_interval_of_the_median_covers_it(num: int) -> None:
    times = np.random.default_rng(0).exponential(size=(2000, num))
    found = [median(own, 0.9) for own in times]
    assert np.mean([own.low <= np.log(2) <= own.high for own in found]) > 0.88


@pytest.mark.slow
def test_every_member_and_the_chosen_ensemble_are_timed(reproduced: Workspace) -> None:
    printed = reproduced.run("python", "-m", "pipeline", "latency", "--num-rounds", "5")
    with (reproduced.folder / "reports/latency.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["batch_size"] for row in rows} == {"1", "64"}
    assert {row["system"] for row in rows} > {"cnn_1", "resnet_1"}
    assert len(rows) == 6
    for row in rows:
        assert 0 < float(row["median_ms_low"]) <= float(row["median_ms"])
        assert row["num_samples"] == "5"
    assert "ms" in printed


@pytest.mark.slow
def test_latency_needs_an_ensemble(workspace: Workspace) -> None:
    printed = workspace.run("python", "-m", "pipeline", "latency", status=1)
    assert printed == "artifacts/ensemble/choice.json: not found; run `dvc repro ensemble`\n"
