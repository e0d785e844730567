"""Gives the run's spool the figures of each epoch, and brings it to the state of a checkpoint."""

from typing import Any

from pytorch_lightning import Callback, Trainer

from pipeline.training.logger import SpoolLogger
from pipeline.training.module import ConvoyModule


class Figures(Callback):
    """A fit that goes on tells again what it had told by then: nothing is missing or told twice."""

    def __init__(self, logger: SpoolLogger) -> None:
        self._logger = logger
        self._held: list[tuple[str, float, int]] = []

    def on_fit_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Tell what the checkpoint holds: a fit that is done already never starts to train."""
        self._logger.restore(self._held)

    def on_train_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Do it again: where weights are sharded, the checkpoint is read between the two."""
        self._logger.restore(self._held)

    def on_validation_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Tell the epoch's figures, before its checkpoint is written."""
        self._logger.log_epoch(module.history[-1], trainer.current_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return all figures that were told, in plain types."""
        return {"figures": [tuple(figure) for figure in self._logger.figures]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep them until training starts."""
        self._held = state_dict["figures"]
