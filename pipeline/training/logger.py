"""A Lightning logger that writes to the run's spool, which MLflow mirrors."""

from collections.abc import Callable, Mapping
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from pipeline.core.run_log import Figure, Spool


class SpoolLogger(Logger):
    """Writes everything that is logged to the spool: our metrics by epoch, all others by step.

    Args:
        spool: the spool of the run; only this logger writes its metrics.
    """

    def __init__(self, spool: Spool) -> None:
        super().__init__()
        self._spool = spool
        self.figures: list[Figure] = []
        """All metrics logged so far. They are part of a checkpoint: a resumed fit logs them again,
        so that no metric is missing or logged twice."""
        self.step: Callable[[], int] = lambda: 0
        """Returns the number of steps of the optimiser so far."""

    @property
    def name(self) -> str:
        """Return the name by which Lightning knows this logger."""
        return "spool"

    @property
    def version(self) -> str:
        """Return an empty string: a spool has no versions."""
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the stage has written the parameters."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:  # noqa: ARG002
        """Write metrics by the optimiser's step; Lightning's own `step` counts blocks of them."""
        self._write({k: float(v) for k, v in metrics.items() if k != "epoch"}, self.step())

    @rank_zero_only
    def log_epoch(self, metrics: Mapping[str, float], epoch: int) -> None:
        """Write the metrics of one epoch, from 0."""
        self._write(metrics, epoch)

    @rank_zero_only
    def restore(self, figures: list[tuple[str, float, int]]) -> None:
        """Reset the spool to the state of a checkpoint."""
        self.figures = [Figure(*figure) for figure in figures]
        self._spool.rewrite(self.figures)

    def _write(self, metrics: Mapping[str, float], step: int) -> None:
        self.figures += [Figure(name, value, step) for name, value in metrics.items()]
        self._spool.record(metrics, step)
