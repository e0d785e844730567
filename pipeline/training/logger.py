"""Lightning's logger that writes the run's spool, which MLflow mirrors."""

from collections.abc import Callable, Mapping
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from pipeline.spool import Figure, Spool


class SpoolLogger(Logger):
    """Whatever is logged stands in the spool: by epoch what is ours, by step all else.

    Args:
        spool: of the run; this logger alone writes its figures.
    """

    def __init__(self, spool: Spool) -> None:
        super().__init__()
        self._spool = spool
        self.figures: list[Figure] = []
        """All that were logged. They are part of a checkpoint: a fit that goes on tells them
        again, and no figure is missing or told twice."""
        self.step: Callable[[], int] = lambda: 0
        """How many steps the optimiser has made."""

    @property
    def name(self) -> str:
        """Return the name that Lightning knows this logger by."""
        return "spool"

    @property
    def version(self) -> str:
        """Return nothing: a spool has no versions."""
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the stage has written the parameters."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:  # noqa: ARG002
        """Write figures by the optimiser's step; Lightning's own `step` counts blocks of them."""
        self._write({k: float(v) for k, v in metrics.items() if k != "epoch"}, self.step())

    @rank_zero_only
    def log_epoch(self, metrics: Mapping[str, float], epoch: int) -> None:
        """Write the figures of one epoch, from 0."""
        self._write(metrics, epoch)

    @rank_zero_only
    def restore(self, figures: list[tuple[str, float, int]]) -> None:
        """Make the spool that of a checkpoint."""
        self.figures = [Figure(*figure) for figure in figures]
        self._spool.rewrite(self.figures)

    def _write(self, metrics: Mapping[str, float], step: int) -> None:
        self.figures += [Figure(name, value, step) for name, value in metrics.items()]
        self._spool.record(metrics, step)
