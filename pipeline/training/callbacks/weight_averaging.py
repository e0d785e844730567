"""Keeps a mean of the weights while a fit learns, and validates it where it is what counts.

Lightning's `WeightAveraging` looks once after each batch of its own, which here is a block of
steps, and copies the network, which a sharded one does not allow.
"""

from collections.abc import Mapping
from typing import Any

from pytorch_lightning import Callback, Trainer

from pipeline.optimisation import EMA, SWA
from pipeline.training.averaging import Mean, ema_weight, swa_counts, swa_weight, update_batch_norm
from pipeline.training.module import ConvoyModule


class WeightAveraging(Callback):
    """EMA is updated after every step of the optimiser, SWA at the ends of the last epochs.

    From the start of a validation in which the mean counts to the epoch's end, the network holds
    it; so the best epoch's weights are those that were validated.
    """

    def __init__(self, chosen: EMA | SWA) -> None:
        self._chosen = chosen
        self._held: Mapping[str, Any] | None = None
        self._is_applied = False

    def on_train_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Begin a mean, or go on with that of the checkpoint."""
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
        """Give the network the mean where that counts: for SWA, after the last epoch."""
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
        """Give the network back what it has learned."""
        if self._is_applied:
            self._mean.exchange()
            self._is_applied = False

    def state_dict(self) -> dict[str, Any]:
        """Return the mean, whole on every device."""
        return self._mean.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep it until the network is where it will stay."""
        self._held = state_dict
