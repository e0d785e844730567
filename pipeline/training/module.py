"""The Lightning shell around a network: forward, loss, optimiser, and epoch figures."""

import math
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from pipeline import params
from pipeline.network import Network
from pipeline.training.batch_norm import globalise
from pipeline.training.data import Batch
from pipeline.training.lightning import OptimizerLRSchedulerConfig, pl

Record = Callable[[dict[str, float], int], None]


class Module(pl.LightningModule):
    """One member in training.

    Args:
        record: called once an epoch, on the first device, with the figures and the epoch.
    """

    def __init__(
        self,
        network: Network,
        *,
        loss: Callable[[Tensor, Tensor], Tensor],
        task: ModuleType,
        settings: params.Training,
        steps_per_epoch: int,
        seed: int,
        record: Record,
    ) -> None:
        super().__init__()
        self.network, self.loss, self.task = network, loss, task
        self.settings, self.steps_per_epoch = settings, steps_per_epoch
        self.seed, self.record = seed, record

    def on_fit_start(self) -> None:
        if self.trainer.world_size > 1:
            globalise(self.network)

    def on_train_epoch_start(self) -> None:
        # Dropout draws from the global generator: tied to (seed, epoch, device), not to the past.
        torch.manual_seed((self.seed * 1000 + self.current_epoch) * 1000 + self.global_rank)
        self._train_loss = torch.zeros((), device=self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        logits = self.network(batch.images)
        loss = self.loss(logits, batch.targets)
        if batch.other_targets is not None:
            others = self.loss(logits, batch.other_targets)
            loss = batch.share * loss + (1 - batch.share) * others
        self._train_loss += loss.detach()  # summed on the device: no wait for it in any step
        return loss

    def on_validation_epoch_start(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        log_probs = self.task.log_probs(self.network(batch.images).float().cpu().numpy())
        for name, values in self.task.scores(log_probs, batch.targets.cpu().numpy()).items():
            self._sums[name] = self._sums.get(name, 0.0) + float(values.sum())
        self._count += len(batch.targets)

    def on_validation_epoch_end(self) -> None:
        if self.trainer.sanity_checking:
            return
        sums = torch.tensor([*self._sums.values(), self._count], dtype=torch.float64)
        totals = self.trainer.strategy.reduce(sums.to(self.device), reduce_op="sum").tolist()
        names = [f"val/{name}" for name in self._sums]
        figures = dict(zip(names, (t / totals[-1] for t in totals[:-1]), strict=True))
        mean_loss = self._train_loss / self.steps_per_epoch
        figures["train/loss"] = float(self.trainer.strategy.reduce(mean_loss, reduce_op="mean"))
        figures["train/lr"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log_dict(figures, prog_bar=True)  # equal on all devices: early stopping agrees
        if self.trainer.is_global_zero:
            self.record(figures, self.current_epoch)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]  # norms and biases
        optimizer = AdamW(
            [
                {"params": decayed, "weight_decay": self.settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=self.settings.lr,
        )
        schedule = warmup_cosine(
            round(self.settings.warmup_epochs * self.steps_per_epoch),
            self.settings.epochs * self.steps_per_epoch,
        )
        scheduler = LambdaLR(optimizer, schedule)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


def warmup_cosine(num_warmup: int, num_steps: int) -> Callable[[int], float]:
    """The factor on the learning rate at each step: linear up to 1, then cosine down to 0."""

    def factor(step: int) -> float:
        if step < num_warmup:
            return (step + 1) / num_warmup
        progress = (step - num_warmup) / max(1, num_steps - num_warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return factor
