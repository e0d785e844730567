"""Stops a fit that has not improved for some epochs."""

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning import callbacks as lightning


class EarlyStopping(lightning.EarlyStopping):
    """Lightning's early stopping, which here also stops a fit resumed after its final epoch."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Stop before the first step if patience has run out already."""
        trainer.should_stop = self.wait_count >= self.patience
