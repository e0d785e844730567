"""A Lightning callback that logs the length of the gradient."""

from statistics import fmean
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from pipeline.core.errors import UserError

CUT = (DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy)  # a device holds only a part of it


class GradientNorm(Callback):
    """Logs the mean norm over the steps since the last log."""

    def __init__(self, every_n_steps: int) -> None:
        self._every_n_steps = every_n_steps
        self._restored: list[float] = []  # steps before a resume, not yet logged
        self._norms: list[Tensor] = []  # later steps, on the device: to read one, the host waits

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Refuse strategies with which no device has the whole gradient.

        Raises:
            UserError: the fit uses such a strategy.
        """
        if isinstance(trainer.strategy, CUT):
            raise UserError(
                f"training.callbacks: got gradient_norm with {type(trainer.strategy).__name__}, "
                "which shards the gradient across devices; allowed only with ddp; remove it"
            )

    def on_before_optimizer_step(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        optimizer: Optimizer,  # noqa: ARG002
    ) -> None:
        """Keep the norm of this step; log the mean when it is time."""
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        self._norms.append(get_total_norm(gradients))
        if len(self._restored) + len(self._norms) >= self._every_n_steps:
            mean = fmean(self._not_logged())
            self._restored, self._norms = [], []
            for logger in trainer.loggers:
                logger.log_metrics({"train/gradient_norm": mean}, step=trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed fit needs to log the same means."""
        return {"norms": self._not_logged()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the norms that were not yet logged."""
        self._restored, self._norms = state_dict["norms"], []

    def _not_logged(self) -> list[float]:
        return self._restored + (torch.stack(self._norms).tolist() if self._norms else [])
