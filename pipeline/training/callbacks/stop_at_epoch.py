"""Stops a fit within its schedule, for a search that decides whether it goes on."""

from pytorch_lightning import Callback, Trainer

from pipeline.training.module import ConvoyModule


class StopAtEpoch(Callback):
    """Stops a fit once it has so many epochs, also where it already has them when it starts."""

    def __init__(self, num_epochs: int) -> None:
        self._num_epochs = num_epochs

    def on_train_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Stop before the first step if the checkpoint has all epochs."""
        self._stop_if_done(trainer, module)

    def on_train_epoch_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Stop after the last epoch."""
        self._stop_if_done(trainer, module)

    def _stop_if_done(self, trainer: Trainer, module: ConvoyModule) -> None:
        if len(module.history) >= self._num_epochs:
            trainer.should_stop = True
