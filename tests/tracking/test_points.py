"""Which points a run lacks, which contradict, and under which time each is pushed."""

import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.run_log import Figure
from pipeline.tracking import address
from pipeline.tracking.entities import Dated, Seen
from pipeline.tracking.points import contradicts, dated, new
from pipeline.tracking.times import Times

figures = st.lists(
    st.builds(Figure, st.sampled_from(["loss", "accuracy"]), st.floats(), st.integers(0, 5)),
    unique_by=lambda figure: (figure.name, figure.step),
)


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "ROOT", tmp_path)


def stored(value: float) -> float:
    """What MLflow's databases keep of a value."""
    return math.copysign(sys.float_info.max, value) if math.isinf(value) else value


@given(figures, st.data())
def test_whatever_part_was_pushed_the_rest_is_new_and_nothing_contradicts(
    own: list[Figure], data: st.DataObject
) -> None:
    pushed = data.draw(st.lists(st.sampled_from(own), unique_by=id)) if own else []
    held = tuple(Dated(f._replace(value=stored(f.value)), 7) for f in pushed)
    points = dated(own, Seen(held), Times("fingerprint"), 3.0)
    assert len(points) == len(own)
    left = new(points, Seen(held))
    assert len(left) == len(own) - len(pushed)
    assert {point.time_ms for point in left} <= {3000}
    assert {point.time_ms for point in points} <= {3000, 7}
    assert not contradicts(held, own)


def test_a_point_that_is_there_twice_or_with_another_value_contradicts() -> None:
    own = [Figure("loss", 0.5, 0), Figure("loss", 0.25, 1)]
    first, second = (Dated(figure, 7) for figure in own)
    assert not contradicts([first, second], own)
    assert contradicts([first, first._replace(time_ms=8)], own)
    assert contradicts([Dated(Figure("loss", 0.75, 1), 7)], own)


def test_a_step_keeps_the_time_under_which_it_was_first_pushed(tmp_path: Path) -> None:
    times = Times("fingerprint")
    times.note([0, 1], 1000)
    times.note([1, 2], 2000)
    for same in (times, Times("fingerprint")):  # this process, and the next one
        assert [same.get(step, 9) for step in range(4)] == [1000, 1000, 2000, 9]
    assert Times("other").get(0, 9) == 9
    (file,) = tmp_path.rglob("times/*")
    file.write_text(file.read_text() + "3 ")  # cut off by a kill
    again = Times("fingerprint")
    again.note([3], 3000)
    assert Times("fingerprint").get(3, 9) == 3000
    again.forget()
    assert Times("fingerprint").get(0, 9) == 9
