"""A line of progress an epoch, where there is no terminal to draw a bar on."""

import time

from pytorch_lightning import Callback, Trainer

from pipeline.training.module import ConvoyModule


class EpochLines(Callback):
    """Prints the figures of each epoch and the images a second.

    Args:
        title: what the lines begin with.
    """

    def __init__(self, title: str) -> None:
        self._title = title

    def on_train_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Look at the clock."""
        self._begin_s = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Print the line, in the first process of the fit."""
        if not trainer.is_global_zero:
            return
        num_images = module.num_batches * module.settings.batch_size
        now_s = time.monotonic()
        speed, self._begin_s = num_images / (now_s - self._begin_s), now_s
        figures = sorted(module.history[-1].items())
        text = "  ".join(f"{name} {value:.4g}" for name, value in figures)
        place = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        print(f"{self._title}  {place}  {text}  {speed:,.0f} images/s", flush=True)
