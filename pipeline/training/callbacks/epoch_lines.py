"""Prints a line of progress for each epoch where no terminal can show a progress bar."""

import time

from pytorch_lightning import Callback, Trainer

from pipeline.training.module import ConvoyModule


class EpochLines(Callback):
    """Prints the metrics and the images per second of each epoch.

    Args:
        title: the beginning of each line.
    """

    def __init__(self, title: str) -> None:
        self._title = title

    def on_train_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Note the time, and how many steps are done."""
        self._begin_s, self._begin_step = time.monotonic(), trainer.global_step

    def on_train_epoch_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Print the line, in the first process of the fit."""
        if not trainer.is_global_zero:
            return
        now_s, step = time.monotonic(), trainer.global_step
        num_images = (step - self._begin_step) * module.settings.batch_size
        speed = num_images / (now_s - self._begin_s)
        self._begin_s, self._begin_step = now_s, step
        figures = sorted(module.history[-1].items())
        text = "  ".join(f"{name} {value:.4g}" for name, value in figures)
        place = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        print(f"{self._title}  {place}  {text}  {speed:,.0f} images/s", flush=True)
