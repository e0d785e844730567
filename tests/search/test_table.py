"""The table of trials, and a sampler that learns from one."""

from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from pipeline.core.errors import UserError
from pipeline.search.choice import choose
from pipeline.search.table import read, write
from tests.search.simulated import SPACE, Simulated, distance, run_once, spec

AXES: dict[str, Any] = {
    "training.optimiser.name": {"choices": ["adamw", "sgd"]},
    "training.optimiser.momentum": {
        "choices": [0.0, 0.9], "if": {"training.optimiser.name": "sgd"},
    },
    "model.widths": {"choices": [[8, 16], [16, 32]]},
    "training.class_weights": {"choices": [None, "inverse"]},
    "training.lr": {"low": 0.01, "high": 0.1, "log": True},
    "training.batch_size": {"choices": [32, 64]},
}  # fmt: skip


def fails(fit, attempt):
    return "diverged: inf" if fit.number == 4 else None


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    wanted, file = spec(space=AXES, budget={"trials": 30}), tmp_path / "trials.csv"
    trials = run_once(tmp_path, wanted, Simulated(fail=fails))
    write(file, wanted.metrics, wanted.monitor, trials)
    found = read(file, wanted)
    complete = [trial for trial in trials if trial.state == "COMPLETE"]
    assert len(complete) == 29
    assert [t.values for t in found] == [list(t.values) for t in complete]
    for one, other in zip(found, complete, strict=True):
        assert one.params.keys() == other.settings.keys()
        assert one.params["training.lr"] == other.settings["training.lr"]
        assert one.params["training.class_weights"] == other.settings["training.class_weights"]
    heading, *rows = file.read_text().splitlines()
    assert heading.startswith("trial,state,epochs,val_log_loss,model.widths,")
    assert rows[4].startswith("4,FAIL,0,,")
    assert any('"[8, 16]"' in row for row in rows)


def test_a_warm_start_begins_where_the_other_study_ended(tmp_path: Path) -> None:
    wanted, file = spec(budget={"trials": 40}), tmp_path / "trials.csv"
    before = run_once(tmp_path / "a", wanted)
    write(file, wanted.metrics, wanted.monitor, before)
    short = spec(budget={"trials": 12}, seed=1)
    cold = run_once(tmp_path / "b", short)
    warm = run_once(tmp_path / "c", short, earlier=read(file, short))
    assert [trial.number for trial in warm] == list(range(12))
    assert warm[0].settings == cold[0].settings  # the recipe as written
    assert mean(distance(t.settings) for t in warm[1:]) < mean(
        distance(t.settings) for t in cold[1:]
    )
    assert choose(short, warm)[0] in warm


@pytest.mark.parametrize("name", ["gp", "cma_es", "qmc", "random"])
def test_every_sampler_starts_warm(name: str, tmp_path: Path) -> None:
    wanted, file = spec(budget={"trials": 20}), tmp_path / "trials.csv"
    write(file, wanted.metrics, wanted.monitor, run_once(tmp_path / "a", wanted))
    short = spec(budget={"trials": 6}, sampler={"name": name})
    assert len(run_once(tmp_path / "b", short, earlier=read(file, short))) == 6


def test_trials_outside_the_space_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted, file = spec(budget={"trials": 20}), tmp_path / "trials.csv"
    trials = run_once(tmp_path, wanted)
    write(file, wanted.metrics, wanted.monitor, trials)
    narrow = {
        **SPACE,
        "training.lr": {"low": 1e-3, "high": 1e-2},
        "model.dropout": {"choices": [0.0]},
    }
    kept = [
        t for t in trials
        if 1e-3 <= t.settings["training.lr"] <= 1e-2 and t.settings["model.dropout"] == 0.0
    ]  # fmt: skip
    assert 0 < len(kept) < 20
    assert len(read(file, spec(space=narrow))) == len(kept)
    assert f"learns from {len(kept)} of 20 trials in" in capsys.readouterr().out
    assert read(file, spec(space={"training.weight_decay": {"low": 0.1, "high": 0.2}})) == []


def test_a_table_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"warm_start: got .*: .*No such file.*; name a table of"):
        read(tmp_path / "none.csv", spec())
    file = tmp_path / "trials.csv"
    wanted = spec(budget={"trials": 2})
    write(file, wanted.metrics, wanted.monitor, run_once(tmp_path, wanted))
    with pytest.raises(UserError, match=r"has no column val_accuracy; allowed .*; name a table"):
        read(file, spec(objectives=["val/accuracy"]))
