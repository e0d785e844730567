"""By how much two files differ, on files whose difference is known."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from pipeline.comparison.contents import DIFFERENT, difference

SLOW = [HealthCheck.function_scoped_fixture]


def texts(folder: Path, old: str, new: str, name: str = "a.json") -> float:
    paths = [folder / "old", folder / "new"]
    for path, text in zip(paths, (old, new), strict=True):
        path.write_text(text, encoding="utf-8")
    return difference(*paths, name)


def arrays(folder: Path, old: np.ndarray, new: np.ndarray) -> float:
    np.savez(folder / "old.npz", x=old)
    np.savez(folder / "new.npz", x=new)
    return difference(folder / "old.npz", folder / "new.npz", "a.npz")


@settings(suppress_health_check=SLOW, max_examples=50)
@given(
    values=st.lists(st.floats(0.01, 1e6), min_size=1, max_size=5),
    relative=st.sampled_from([0.0, 1e-9, 1e-6, 0.01]),
)
def test_a_change_of_known_size_is_found(
    tmp_path: Path, values: list[float], relative: float
) -> None:
    new = [value * (1 - relative) for value in values]
    found = texts(tmp_path, json.dumps({"a": values}), json.dumps({"a": new}))
    assert found == pytest.approx(relative, rel=1e-4, abs=1e-15)
    of_array = arrays(tmp_path, np.array(values), np.array(new))
    assert of_array == pytest.approx(relative, rel=1e-4, abs=1e-15)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a,b\n1,x\n", "a,b\n1,x\n", 0.0),
        ("a,b\n1,x\n", "a,b\n1,y\n", DIFFERENT),
        ("a,b\n1,x\n", "a,b\n1,x\n2,y\n", DIFFERENT),
        ("0.5", "-0.5", 2.0),
        ("1e-3", "1.1e-3", 0.1 / 1.1),
        ("0", "0.0", 0.0),
        ("cnn_1 0.5", "cnn_2 0.5", DIFFERENT),  # a number within a name is a name
        ("<path d='M1 2'/>", "<path d='M1 2.5'/>", 0.2),
        ("nan", "1", DIFFERENT),
    ],
)
def test_texts(tmp_path: Path, old: str, new: str, expected: float) -> None:
    assert texts(tmp_path, old, new) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), 0.0),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), DIFFERENT),
        (np.array([1.0]), np.array([1.0, 2.0]), DIFFERENT),
        (np.array([1.0], np.float32), np.array([1.0]), DIFFERENT),
        (np.array(["a"]), np.array(["b"]), DIFFERENT),
        (np.array([100.0, 1e-9]), np.array([100.0, 2e-9]), 1e-11),  # relative to the largest
        (np.array([3, 4]), np.array([3, 5]), 0.2),
        (np.array([np.inf, 1.0]), np.array([np.inf, 1.5]), 1 / 3),
    ],
)
def test_arrays(tmp_path: Path, old: np.ndarray, new: np.ndarray, expected: float) -> None:
    assert arrays(tmp_path, old, new) == pytest.approx(expected)


def test_weights_of_half_precision_too(tmp_path: Path) -> None:
    for name, value in (("old", 1.0), ("new", 1.0078125)):
        save_file({"w": torch.tensor([value, 0.5], dtype=torch.bfloat16)}, tmp_path / name)
    found = difference(tmp_path / "old", tmp_path / "new", "weights.safetensors")
    assert found == pytest.approx(0.0078125 / 1.0078125)


def test_the_environment_of_a_run_is_no_result(tmp_path: Path) -> None:
    runs = [
        json.dumps(
            {
                "stage": "train",
                "fingerprint": name,
                "tags": {
                    "environment.processor": name,
                    "convoy.adopted_at": name,
                    "convoy.trial": "1",
                },
            }
        )
        for name in ("one", "other")
    ]
    assert texts(tmp_path, *runs, name="run.json") == 0
    assert texts(tmp_path, runs[0], runs[1].replace('"1"', '"2"'), name="run.json") > 0


def test_pictures_are_equal_or_different(tmp_path: Path) -> None:
    for name, content in (("old", b"\x89PNG\xff\x00"), ("new", b"\x89PNG\xff\x01")):
        (tmp_path / name).write_bytes(content)
    assert difference(tmp_path / "old", tmp_path / "new", "a.png") == DIFFERENT
