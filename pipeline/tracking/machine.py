"""What the machine does while a run is going, as MLflow's page of system metrics shows it.

These metrics are no results: no artifact holds them, and a store that was rebuilt lacks them.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor

from pipeline.core.run_log import Figure
from pipeline.tracking.entities import SYSTEM, Dated

EVERY_S = 5.0


class Monitor(Protocol):
    """What MLflow's monitors have in common."""

    def collect_metrics(self) -> None: ...
    def aggregate_metrics(self) -> dict[str, float]: ...
    def clear_metrics(self) -> None: ...


MONITORS: tuple[Callable[[], Monitor], ...] = (CPUMonitor, GPUMonitor, ROCMMonitor)


class Machine:
    """Processor, memory and GPUs of this machine; steps are seconds since the start."""

    def __init__(self) -> None:
        self._monitors: list[Monitor] = []
        for monitor in MONITORS:
            with suppress(ImportError, RuntimeError):  # no such GPU, or no package that reads it
                self._monitors.append(monitor())
        self._begun_s = self._told_s = time.monotonic()
        self._collect()
        self._clear()  # the load before now

    def points(self) -> list[Dated]:
        """Return the means since the last ones; none before some seconds have passed."""
        self._collect()
        now_s = time.monotonic()
        if now_s - self._told_s < EVERY_S:
            return []
        self._told_s = now_s
        means = {k: v for each in self._monitors for k, v in each.aggregate_metrics().items()}
        self._clear()
        step, now_ms = round(now_s - self._begun_s), round(time.time() * 1000)
        return [Dated(Figure(f"{SYSTEM}{k}", float(v), step), now_ms) for k, v in means.items()]

    def _collect(self) -> None:
        for monitor in self._monitors:
            monitor.collect_metrics()

    def _clear(self) -> None:
        for monitor in self._monitors:
            monitor.clear_metrics()
