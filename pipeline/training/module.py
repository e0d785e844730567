"""The `LightningModule`: a network with its loss, its optimiser and its metrics.

A batch in Lightning's sense is one of our blocks (`batches.Block`): up to 32 batches, each of which
is one step of the optimiser. Lightning's overhead around a batch is then paid once a block
(bench/results/loop.md); optimisation is therefore manual, as Lightning calls it.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float, UInt8
from pytorch_lightning import LightningModule
from pytorch_lightning.strategies import ModelParallelStrategy, SingleDeviceStrategy
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from pipeline.config.params import monitor
from pipeline.config.recipes import Recipe
from pipeline.core.artifacts import Scale
from pipeline.core.component import retuple, schema
from pipeline.models.network import Network
from pipeline.training.balance import Balance
from pipeline.training.batch_norm import GlobalBatchNorm
from pipeline.training.batches import Batch, Block, ValBatch, split
from pipeline.training.data_parallel import connect
from pipeline.training.datamodule import DataModule
from pipeline.training.dropout import dropout_seed
from pipeline.training.hooks import hear_steps
from pipeline.training.objective import objective_of
from pipeline.training.optimisers import build, groups, scale_lr, weights
from pipeline.training.penalties import clip, penalty
from pipeline.training.schedules import factor
from pipeline.training.scores import scores_of
from pipeline.training.sharding import shard
from pipeline.training.transfer import blocks, freeze, num_learning

STATE = "convoy"  # our part of a checkpoint


class ConvoyModule(LightningModule):
    """The module that a fit trains; `load_from_checkpoint("best.ckpt")` restores the best epoch.

    Args:
        recipe, task: as in params.yaml, in the plain types that a checkpoint can hold.
        input_shape: height, width and channels of an image.
        num_outputs: logits for each image.
        seed: determines dropout, together with the step and the device.
        target_scale: mean and standard deviation of values; empty for other tasks.
        class_counts: images of each class, or with each label, in train and in val.
        network: the network with its initial weights; without one, a network to load weights into.
    """

    def __init__(
        self,
        recipe: dict[str, Any],
        task: dict[str, Any],
        input_shape: tuple[int, ...],
        num_outputs: int,
        *,
        seed: int = 0,  # noqa: ARG002  # Lightning keeps it with all others in `hparams`
        target_scale: Scale = (),
        class_counts: dict[str, list[int]],
        network: Network | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore="network")
        self.automatic_optimization = False
        self.recipe = Recipe.model_validate(retuple(recipe))
        self.settings = self.recipe.training
        own_task: Any = schema("task", task["name"]).model_validate(retuple(task))
        self.monitor = monitor(own_task)
        self._scores = scores_of(own_task, target_scale)
        self.balance = Balance(
            self.settings, own_task.KIND, **class_counts, num_outputs=num_outputs
        )
        self.network = network or Network.build(self.recipe.model, tuple(input_shape), num_outputs)
        self.history: list[dict[str, float]] = []  # the metrics of all completed epochs
        self._watched: list[float] = []  # the monitored one of them: lower is better
        self.num_parts = self.settings.micro_batches  # computed one after the other
        self.lr_scale = 1.0  # below 1 where an attempt at this fit has diverged
        self._restored_losses: list[float] = []
        self._num_done = 0

    # --- the network, the loss, the optimiser

    def forward(self, images: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n k"]:
        """Compute logits."""
        return self.network(images)  # type: ignore[no-any-return]

    def configure_model(self) -> None:
        """Shard the parameters if the strategy does; batch norm stays global."""
        strategy = None if self._trainer is None else self.trainer.strategy
        if isinstance(strategy, ModelParallelStrategy):
            GlobalBatchNorm(strategy.root_device.type).apply(self)
            shard(self.network, strategy.device_mesh["data_parallel"])

    def configure_optimizers(self) -> Optimizer:
        """Build the optimiser over all parameters: it does not move those that are frozen."""
        self.blocks = blocks(self.network.body)
        return build(
            self.settings.optimiser,
            groups(
                self.blocks,
                lr=self.settings.lr,
                weight_decay=self.settings.weight_decay,
                lr_decay_by_depth=self.settings.transfer.lr_decay_by_depth,
            ),
        )

    def lr_factor(self, step: int) -> float:
        """Return the factor of all learning rates, a function of the step."""
        return self.lr_scale * factor(
            self.settings.schedule,
            step,
            steps_per_epoch=self.num_batches,
            num_epochs=self.settings.epochs,
            history=self._watched,
        )

    def lr(self, step: int) -> float:
        """Return the classifier's learning rate."""
        return self.settings.lr * self.lr_factor(step)

    # --- training

    def begin(self, data: DataModule, optimizer: Optimizer) -> None:
        """Prepare for training steps, in a Trainer or without one."""
        self.data, self._optimizer = data, optimizer
        self.num_batches = data.sampler.num_batches  # in one epoch
        self._losses = torch.zeros(self.num_batches, device=self.device)
        self._num_learning = len(self.blocks)
        self._backward: Callable[[Tensor], None] = torch.autograd.backward
        self._is_bare = True
        self._seed, self._rank = self.hparams["seed"], 0
        self._generator = torch.default_generator
        if self.device.type == "cuda":
            self._generator = torch.cuda.default_generators[self.device.index or 0]

    def on_fit_start(self) -> None:
        """Prepare before any callback, which runs before this module when training starts."""
        trainer: Any = self.trainer
        self.begin(trainer.datamodule, trainer.optimizers[0])
        self._rank = self.global_rank
        is_alone = isinstance(trainer.strategy, SingleDeviceStrategy)
        self._is_bare = is_alone and not hear_steps(trainer.callbacks)
        if not self._is_bare:
            self._backward, self._optimizer = self.manual_backward, self.optimizers()  # type: ignore

    def on_train_start(self) -> None:
        """Resume from the checkpoint, if there is one."""
        restored = torch.tensor(self._restored_losses, device=self.device)
        self._losses[: len(restored)] = restored
        connect(self, self.network.input_shape)
        self.prepare(self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Take the loss of this epoch, and unfreeze what is to be trained in it."""
        self.prepare(self.current_epoch)

    def prepare(self, epoch: int) -> None:
        """Put the network into training mode, except for the blocks frozen in `epoch`."""
        scale = self.hparams["target_scale"]
        given = self.recipe.loss, scale, self.balance, epoch, self.device
        self.objective = objective_of(*given, self.data.student)
        num = num_learning(self.settings.transfer, epoch, len(self.blocks))
        self.train()
        freeze(self.network, self.blocks, num)
        if num != self._num_learning:
            self._num_learning = num
            connect(self, self.network.input_shape)
        decayed = weights(self._optimizer.param_groups)
        self._penalised = [weight for weight in decayed if weight.requires_grad]

    def training_step(self, block: Block, index: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Make a step of the optimiser for each batch of a block; return the mean losses."""
        first = block.epoch * self.num_batches + block.first
        losses = torch.stack([self.update(b, first + i) for i, b in enumerate(block.batches)])
        self._num_done = block.first + len(losses)
        self._losses[block.first : self._num_done] = losses
        if self._is_bare:  # Lightning's own optimiser counts its steps
            progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
            progress.total.ready += len(losses)
            progress.total.completed += len(losses)
        return {"loss": losses.mean(), "losses": losses}

    def update(self, batch: Batch, step: int, lr_factor: float | None = None) -> Float[Tensor, ""]:
        """Make one step of the optimiser.

        Args:
            step: counted over all epochs.
            lr_factor: the factor of the learning rates, in place of the schedule's.

        Returns:
            The batch's mean loss before the step, still on its device: no step waits for it.
        """
        self._generator.manual_seed(dropout_seed(self._seed, step, self._rank))
        scale_lr(self._optimizer, self.lr_factor(step) if lr_factor is None else lr_factor)
        loss = self._gradients(self.data.to_device(batch))
        if self._is_bare:
            self.on_before_optimizer_step(self._optimizer)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:  # noqa: ARG002
        """Clip the gradients of the global batch; callbacks have seen them unclipped."""
        if self.settings.clip:
            clip(self.settings.clip, list(self.network.parameters()))

    def _gradients(self, batch: Batch) -> Tensor:
        """Accumulate a batch's gradients, part by part."""
        *others, last = split(batch, self.num_parts)
        losses = []
        for part in others:
            with self._without_sums():
                losses.append(self._learn(part))
        losses.append(self._learn(last, is_last=True))
        return sum(losses[1:], losses[0])

    def _learn(self, part: Batch, *, is_last: bool = False) -> Tensor:
        """Accumulate the gradients of part of a batch; return its part of the mean loss."""
        loss = self.objective(self.network(part.images), part)
        if self.num_parts > 1:
            loss = loss / self.num_parts
        share = loss.detach()
        if is_last and (self.settings.penalty.l1 or self.settings.penalty.l2):
            loss = loss + penalty(self.settings.penalty, self._penalised)
        self._backward(loss)
        return share

    def _without_sums(self) -> AbstractContextManager[None]:
        """Suspend the all-reduce of gradients, where each device can hold them whole."""
        model = None if self._trainer is None else self.trainer.strategy.model
        return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()

    # --- validation

    @property
    def is_best(self) -> bool:
        """Whether the last epoch is better than all before that had the class weights."""
        *others, last = self._watched
        return all(last < other for other in others[self.balance.first_epoch :])

    def on_validation_epoch_start(self) -> None:
        """Reset the sums."""
        self._offset = self.balance.val_offset(self.current_epoch)
        self._sums: dict[str, float] = {}
        self._num_validated = 0

    def validation_step(self, batch: ValBatch, index: int) -> None:  # noqa: ARG002
        """Add the scores of some images to the sums."""
        logits = self.network(batch.images.to(self.device)).float().cpu().numpy()
        scores = self._scores(logits + self._offset, batch.targets.numpy())
        for name, values in scores.items():
            added = float(values.sum()) if batch.counts else 0.0
            self._sums[name] = self._sums.get(name, 0.0) + added
        self._num_validated += len(batch.targets) * batch.counts

    def on_validation_epoch_end(self) -> None:
        """Record the metrics of the epoch: means over val, each sample counted once."""
        values = torch.tensor([*self._sums.values(), self._num_validated], dtype=torch.float64)
        totals = self.trainer.strategy.reduce(values.to(self.device), reduce_op="sum")
        means = (totals / totals[-1]).tolist()
        figures = {f"val/{name}": mean for name, mean in zip(self._sums, means, strict=False)}
        losses = self._mean_losses()
        figures["train/loss"] = math.fsum(losses) / len(losses)
        figures["train/lr"] = self._optimizer.param_groups[-1]["lr"]  # the classifier's
        self.history.append(figures)
        self._watched.append(figures[self.monitor])
        self._num_done = 0
        exact = {name: torch.tensor(value, dtype=torch.float64) for name, value in figures.items()}
        self.log_dict(exact, logger=False)  # for callbacks that monitor one

    def _mean_losses(self) -> list[float]:
        """Return the mean losses, over the devices, of the batches completed in this epoch."""
        losses = self._losses[: self._num_done].clone()
        return [float(v) for v in self.trainer.strategy.reduce(losses, reduce_op="mean").tolist()]

    # --- checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add our state, in plain types."""
        checkpoint[STATE] = {"history": self.history, "losses": self._mean_losses()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore our state."""
        self.history = checkpoint[STATE]["history"]
        self._watched = [figures[self.monitor] for figures in self.history]
        self._restored_losses = checkpoint[STATE]["losses"]
        self._num_done = len(self._restored_losses)
