"""Stops a fit that has not become better for some epochs."""

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning import callbacks as lightning


class EarlyStopping(lightning.EarlyStopping):
    """Lightning's, which also stops where a fit is resumed after the epoch that ended it."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Stop before the first step where patience has ended already."""
        trainer.should_stop = self.wait_count >= self.patience
