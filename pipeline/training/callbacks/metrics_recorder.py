"""Writes the metrics of each epoch to the run's spool, and restores it from a checkpoint."""

from typing import Any

from pytorch_lightning import Callback, Trainer

from pipeline.training.logger import SpoolLogger
from pipeline.training.module import ConvoyModule


class MetricsRecorder(Callback):
    """Makes a resumed fit log again what its checkpoint holds; nothing is missing or duplicated."""

    def __init__(self, logger: SpoolLogger) -> None:
        self._logger = logger
        self._held: list[tuple[str, float, int]] = []

    def on_fit_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Log what the checkpoint holds: a fit that is already complete never starts to train."""
        self._logger.restore(self._held)

    def on_train_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Log it again: where weights are sharded, the checkpoint is read between the two hooks."""
        self._logger.restore(self._held)

    def on_validation_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Log the epoch's metrics before its checkpoint is written."""
        self._logger.log_epoch(module.history[-1], trainer.current_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return all metrics that were logged, in plain types."""
        return {"figures": [tuple(figure) for figure in self._logger.figures]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep them until training starts."""
        self._held = state_dict["figures"]
