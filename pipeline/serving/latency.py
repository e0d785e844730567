"""Latency of each member, student and the chosen ensemble on this machine; never an artifact."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy
from jaxtyping import Float, UInt8

from pipeline.config.networks import system_of
from pipeline.config.params import Params
from pipeline.core.artifacts import Card
from pipeline.core.component import load
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.systems import outputs_of
from pipeline.models import cpu
from pipeline.models.device import choose_device
from pipeline.prediction.stored import load_stored

BATCH_SIZES = (1, 64)
Predict = Callable[[UInt8[np.ndarray, "n h w c"]], object]


@dataclass(frozen=True)
class Latency:
    """The latency of one system for one batch size."""

    system: str
    batch_size: int
    median_ms: Estimate
    """`num_samples` is the number of timings."""


def latencies(inputs: Layout, params: Params, num_rounds: int) -> list[Latency]:
    """Measure every member, student and the chosen ensemble, from stored pixels to decisions.

    Raises:
        UserError: there is no ensemble yet.
    """
    systems = _systems(inputs, params)
    generator = np.random.default_rng(0)
    found = []
    for batch_size in BATCH_SIZES:
        shape = (batch_size, *Card.load(inputs.card).image_shape)
        images = generator.integers(0, 256, shape, dtype=np.uint8)
        times = timed([partial(own, images) for own in systems.values()], num_rounds)
        found += [
            Latency(name, batch_size, median(1000 * own, params.evaluation.confidence))
            for name, own in zip(systems, times.T, strict=True)
        ]
    return found


def timed(works: Sequence[Callable[[], object]], num_rounds: int) -> Float[np.ndarray, "r w"]:
    """Return seconds. The systems take turns, so that a busy moment of the machine affects all."""
    for work in works:
        work()  # fills caches and runs late imports
    seconds = np.empty((num_rounds, len(works)))
    for row in seconds:
        for place, work in enumerate(works):
            begin = time.perf_counter()
            work()
            row[place] = time.perf_counter() - begin
    return seconds


def median(times: Float[np.ndarray, " r"], confidence: float) -> Estimate:
    """Return the median with its exact interval from order statistics, for any distribution."""
    ordered, num = np.sort(times), len(times)
    rank = int(scipy.stats.binom.ppf((1 - confidence) / 2, num, 0.5))
    low, high = ordered[max(rank - 1, 0)], ordered[min(num - rank, num - 1)]
    return Estimate(float(np.median(times)), float(low), float(high), num)


def _systems(inputs: Layout, params: Params) -> dict[str, Predict]:
    """Return functions from images to outputs by system name; the chosen ensemble comes last."""
    path = inputs.ensemble / "choice.json"
    if not path.is_file():
        raise UserError(f"{path}: not found; run `dvc repro ensemble`")
    choice, hardware = read_json(path), params.hardware
    cpu.use(hardware.threads)
    device, task = choose_device(hardware.accelerator), load("task", params.task)
    names = [*choice["members"], *params.distil]
    members = {name: load_stored(inputs, name, params, device) for name in names}
    scale = Card.load(inputs.card).target_scale

    def predict_with(name: str) -> Predict:
        combiner = Combiner.load(system_of(inputs, name, params)).without_idle()

        def predict(images: UInt8[np.ndarray, "n h w c"]) -> object:
            logits = {m: members[m].logits(images) for m in combiner.members}
            return outputs_of(combiner, {m: task.predictions(z, *scale) for m, z in logits.items()})

        return predict

    return {name: predict_with(name) for name in [*names, choice["chosen"]]}
