"""How far a fit is: a bar on a terminal, a line an epoch elsewhere."""

import sys
import time

from tqdm import tqdm

from pipeline.params import Training


def shows_bars() -> bool:
    """Whether there is a terminal to draw on."""
    return sys.stderr.isatty()


class Lines:
    """One line an epoch."""

    def __init__(self, title: str, settings: Training, num_batches: int) -> None:
        self._title, self._settings = title, settings
        self._num_images = num_batches * settings.batch_size
        self._begin_s = time.monotonic()

    def advance(self, num_batches: int, loss: float, lr: float) -> None:
        """Nothing is told within an epoch."""

    def epoch(self, epoch: int, figures: dict[str, float]) -> None:
        now_s = time.monotonic()
        speed, self._begin_s = self._num_images / (now_s - self._begin_s), now_s
        text = "  ".join(f"{name} {value:.4g}" for name, value in sorted(figures.items()))
        place = f"epoch {epoch + 1}/{self._settings.epochs}"
        print(f"{self._title}  {place}  {text}  {speed:,.0f} images/s", flush=True)


class Bar:
    """Loss, learning rate, images a second and the time left, over the whole fit."""

    def __init__(self, title: str, settings: Training, num_batches: int) -> None:
        self._num_batches, self._done = num_batches, 0
        self._figures = ""
        self._bar = tqdm(
            total=settings.epochs * num_batches * settings.batch_size,
            desc=title,
            unit=" images",
            unit_scale=True,
        )
        self._batch_size = settings.batch_size

    def advance(self, num_batches: int, loss: float, lr: float) -> None:
        self._move_to(self._done + num_batches)
        self._bar.set_postfix_str(f"loss {loss:.3g}  lr {lr:.2g}  {self._figures}")

    def epoch(self, epoch: int, figures: dict[str, float]) -> None:
        self._move_to((epoch + 1) * self._num_batches)
        self._figures = "  ".join(
            f"{name} {value:.3g}" for name, value in sorted(figures.items()) if "val/" in name
        )
        self._bar.set_postfix_str(self._figures)

    def _move_to(self, batch: int) -> None:
        self._bar.update((batch - self._done) * self._batch_size)
        self._done = batch
