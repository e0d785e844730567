"""Averages the weights while a fit trains, and validates the average where it is the result.

Lightning's `WeightAveraging` acts once after each of its own batches, which here is a block of
steps, and copies the network, which sharding does not allow.
"""

from collections.abc import Mapping
from typing import Any

from pytorch_lightning import Callback, Trainer

from pipeline.config.optimisation import EMA, SWA
from pipeline.training.averaging import Mean, ema_weight, swa_counts, swa_weight, update_batch_norm
from pipeline.training.module import ConvoyModule


class WeightAveraging(Callback):
    """Updates EMA after every step of the optimiser, SWA at the end of each of the last epochs.

    The network holds the mean from the start of a validation in which the mean counts until the end
    of the epoch; so the weights saved for the best epoch are those that were validated.
    """

    def __init__(self, chosen: EMA | SWA) -> None:
        self._chosen = chosen
        self._held: Mapping[str, Any] | None = None
        self._is_applied = False

    def on_train_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Start a mean, or restore it from the checkpoint."""
        self._mean = Mean(module.network)
        if self._held is not None:
            self._mean.load_state_dict(self._held)
            self._held = None
        if isinstance(self._chosen, EMA):
            chosen, mean, num_batches = self._chosen, self._mean, module.num_batches

            def update(*_: Any) -> None:
                mean.update(ema_weight(chosen, mean.num_updates, num_batches))

            trainer.optimizers[0].register_step_post_hook(update)

    def on_validation_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Load the mean into the network where it counts: for SWA, after the last epoch."""
        if isinstance(self._chosen, SWA):
            if swa_counts(self._chosen, trainer.current_epoch, trainer.max_epochs or 0):
                self._mean.update(swa_weight(self._mean.num_updates))
            if trainer.current_epoch + 1 != trainer.max_epochs:
                return
        self._mean.exchange()
        self._is_applied = True
        if isinstance(self._chosen, SWA):
            module.prepare(trainer.current_epoch)
            batches = module.data.batches(trainer.current_epoch)
            update_batch_norm(module.network, (batch.images for batch in batches))
            module.eval()

    def on_train_epoch_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Restore the trained weights."""
        if self._is_applied:
            self._mean.exchange()
            self._is_applied = False

    def state_dict(self) -> dict[str, Any]:
        """Return the mean, unsharded on every device."""
        return self._mean.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the mean until the network is on its final device."""
        self._held = state_dict
