"""Notes the progress of each epoch, and prints it where neither a bar nor a table can show it."""

import os
import sys
import time
from pathlib import Path

from pytorch_lightning import Callback, Trainer

from pipeline.execution.progress import TABLE, Progress
from pipeline.training.module import ConvoyModule


class EpochLines(Callback):
    """Prints the metrics and the images per second of each epoch.

    Args:
        title: the beginning of each line.
        folder: where to note the progress for the process that has started the fit.
    """

    def __init__(self, title: str, folder: Path) -> None:
        self._title, self._folder = title, folder
        self._prints = TABLE not in os.environ and not sys.stderr.isatty()

    def on_train_start(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]  # noqa: ARG002
        """Note the time, and how many steps are done."""
        self._begin_s, self._begin_step = time.monotonic(), trainer.global_step

    def on_train_epoch_end(self, trainer: Trainer, module: ConvoyModule) -> None:  # type: ignore[override]
        """Note the epoch and print its line, in the first process of the fit."""
        if not trainer.is_global_zero:
            return
        now_s, step = time.monotonic(), trainer.global_step
        num_images = (step - self._begin_step) * module.settings.batch_size
        speed = num_images / (now_s - self._begin_s)
        self._begin_s, self._begin_step = now_s, step
        epoch, num_epochs = trainer.current_epoch + 1, int(trainer.max_epochs or 0)
        best = min(figures[module.monitor] for figures in module.history)
        Progress(epoch, num_epochs, f"{module.monitor} {best:.4g}", speed).save(self._folder)
        if self._prints:
            figures = sorted(module.history[-1].items())
            text = "  ".join(f"{name} {value:.4g}" for name, value in figures)
            line = f"{self._title}  epoch {epoch}/{num_epochs}  {text}  {speed:,.0f} images/s"
            print(line, flush=True)
