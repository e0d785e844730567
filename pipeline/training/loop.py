"""The training loop: one fit, in one process of Fabric. All processes of a fit run the same lines.

A step is what a hand-written loop would do. Whatever else there is to do (looking for a NaN,
writing a checkpoint, drawing the bar, leaving) is done every `CHECK_STEPS` steps, or every
`CHECK_S` seconds where steps are slow.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from socket import gethostname
from types import FrameType

import numpy as np
import torch
from torch import Tensor

from pipeline import params
from pipeline.errors import UserError
from pipeline.network import Network
from pipeline.optimisation import EMA, SWA
from pipeline.training import buckets, checkpoint
from pipeline.training.averaging import Mean, ema_weight, swa_counts, swa_weight, update_batch_norm
from pipeline.training.checkpoint import State
from pipeline.training.data import Batch, Data, split
from pipeline.training.lightning import Fabric
from pipeline.training.optimisers.groups import Block, scale_lr, weights
from pipeline.training.penalties import clip, penalty
from pipeline.training.progress import Bar, Lines
from pipeline.training.schedules import factor
from pipeline.training.transfer import freeze, num_learning

Record = Callable[[dict[str, float], int], None]
Loss = Callable[[Tensor, Tensor], Tensor]
Scores = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]
CHECK_STEPS = 64
CHECK_S = 2.0
CHECKPOINT_S = 60.0  # between two checkpoints within an epoch
MOST_RECOVERIES = 5


@dataclass
class Plan:
    """All that a loop needs beside Fabric."""

    network: Network
    blocks: list[Block]
    """Its parameters, from the image to the classifier."""
    optimizer: torch.optim.Optimizer
    loss: Loss
    scores: Scores
    """Figures a sample, from logits and targets."""
    monitor: str
    """Which of the figures says what epoch is best: lower is better."""
    data: Data
    settings: params.Training
    seed: int
    record: Record
    progress: Bar | Lines
    folder: Path
    """Where checkpoints are; what lies there is gone on from."""


class Loop:
    """Trains `plan.network` and leaves its best epoch in `best.pt`."""

    def __init__(self, fabric: Fabric, plan: Plan) -> None:
        self._fabric, self._plan = fabric, plan
        self._num_learning = len(plan.blocks)
        self._model, self._optimizer = fabric.setup(plan.network, plan.optimizer)
        self._loader, self._val = plan.data.train(), plan.data.val()
        self._num_batches = len(self._loader)
        self._losses = torch.zeros(self._num_batches, device=fabric.device)
        self._weights: list[torch.nn.Parameter] = []
        self._mean = Mean(plan.network) if plan.settings.average else None
        if not self._is_alone:
            buckets.lay_out(self._model, plan.network, fabric.device)
        self._state = self._begin()
        self._saved_s = self._checked_s = time.monotonic()
        self._checked, self._pace = 0, 1  # the batch after which to look up, and how many later
        self._is_asked_to_leave = False

    def run(self) -> None:
        """Train until the last epoch or until patience ends."""
        before = signal.signal(signal.SIGTERM, self._ask_to_leave)
        try:
            while self._state.epoch < self._plan.settings.epochs and not self._is_stale:
                try:
                    self._train_epoch()
                except Diverged as error:
                    self._recover(error)
                else:
                    self._finish_epoch()
        finally:
            signal.signal(signal.SIGTERM, before)

    @property
    def _is_alone(self) -> bool:
        return self._fabric.world_size == 1

    @property
    def _is_stale(self) -> bool:
        """Whether patience has ended."""
        patience = self._plan.settings.patience
        return patience is not None and len(self._state.history) - 1 - self._best >= patience

    @property
    def _best(self) -> int:
        """The epoch with the lowest monitored figure; −1 before the first."""
        values = self._watched
        return min(range(len(values)), key=values.__getitem__) if values else -1

    @property
    def _watched(self) -> list[float]:
        """The monitored figure of every epoch that is done."""
        return [figures[self._plan.monitor] for figures in self._state.history]

    def _begin(self) -> State:
        """The state to go on from, put into network and optimiser; a fresh one is saved before."""
        folder = self._plan.folder
        self._state = State()
        if self._fabric.broadcast(not (folder / checkpoint.EPOCH).is_file()):
            self._save(checkpoint.EPOCH)
        held = checkpoint.load(folder)
        if held is None:
            raise UserError(
                f"{folder}: holds no checkpoint on {gethostname()}, and does on another node; put "
                "the repository on a disk that all nodes share"
            )
        self._restore(held)
        if self._fabric.is_global_zero:
            for epoch, figures in enumerate(held.history):
                self._plan.record(figures, epoch)
        return held

    def _restore(self, held: State) -> None:
        self._plan.network.load_state_dict(held.network)
        self._plan.optimizer.load_state_dict(held.optimizer)
        if self._mean and held.average:
            self._mean.load_state_dict(held.average)
        self._losses[: held.batch] = torch.tensor(held.losses)

    def _train_epoch(self) -> None:
        state, sampler = self._state, self._plan.data.sampler
        sampler.set_epoch(state.epoch)
        sampler.first_batch = state.batch
        self.prepare(state.epoch)
        self._checked, self._checked_s = state.batch, time.monotonic()
        for batch in self._loader:
            self._step(batch)
            state.batch += 1
            is_due = state.batch in (self._checked + self._pace, self._num_batches)
            if is_due or (self._is_alone and self._is_asked_to_leave):
                self._check()

    def prepare(self, epoch: int) -> None:
        """Let the network learn what it is to learn in `epoch`."""
        plan = self._plan
        num = num_learning(plan.settings.transfer, epoch, len(plan.blocks))
        self._model.train()
        freeze(plan.network, plan.blocks, num)
        if num != self._num_learning:  # gradients of all that learns are added up over devices
            self._model, self._num_learning = self._fabric.setup_module(plan.network), num
            if not self._is_alone:
                buckets.lay_out(self._model, plan.network, self._fabric.device)
        in_groups = weights(plan.optimizer.param_groups)
        self._weights = [weight for weight in in_groups if weight.requires_grad]

    def _step(self, batch: Batch) -> None:
        state = self._state
        step = state.epoch * self._num_batches + state.batch
        self._losses[state.batch] = self.update(batch, step, self._factor(step) * state.lr_scale)

    def update(self, batch: Batch, step: int, lr_factor: float) -> Tensor:
        """Change the weights, at `lr_factor` times the rates they begin with.

        Returns:
            The batch's mean loss before, still on its device.
        """
        plan = self._plan
        self._seed_dropout(step)
        scale_lr(plan.optimizer, lr_factor)
        loss = self._gradients(plan.data.to_device(batch))
        if plan.settings.clip:
            clip(plan.settings.clip, list(plan.network.parameters()))
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self._mean and isinstance(plan.settings.average, EMA):
            num_updates = self._mean.num_updates
            self._mean.update(ema_weight(plan.settings.average, num_updates, self._num_batches))
        return loss

    def _gradients(self, batch: Batch) -> Tensor:
        """Add up a batch's gradients; its mean loss stays on the device: no step waits for it."""
        parts = split(batch, self._plan.settings.micro_batches)
        total = torch.zeros((), device=self._fabric.device)
        for place, part in enumerate(parts):
            with self._fabric.no_backward_sync(self._model, enabled=place + 1 < len(parts)):
                loss = self._loss(part) / len(parts)
                total += loss.detach()
                if self._is_penalised and place == 0:
                    loss = loss + penalty(self._plan.settings.penalty, self._weights)
                self._fabric.backward(loss)
        return total

    def _loss(self, batch: Batch) -> Tensor:
        logits = self._model(batch.images)
        loss = self._plan.loss(logits, batch.targets)
        if batch.other_targets is None:
            return loss
        others = self._plan.loss(logits, batch.other_targets)
        return batch.share * loss + (1 - batch.share) * others

    @property
    def _is_penalised(self) -> bool:
        return bool(self._plan.settings.penalty.l1 or self._plan.settings.penalty.l2)

    def _factor(self, step: int) -> float:
        """Of the learning rate."""
        settings = self._plan.settings
        return factor(
            settings.schedule,
            step,
            steps_per_epoch=self._num_batches,
            num_epochs=settings.epochs,
            history=self._watched,
        )

    def _seed_dropout(self, step: int) -> None:
        """What a network draws is tied to (seed, step, device), not to what was drawn before."""
        key = f"{self._plan.seed}/{step}/{self._fabric.global_rank}".encode()
        seed = int.from_bytes(blake2b(key, digest_size=8).digest()) >> 1
        device = self._fabric.device
        if device.type == "cuda":
            torch.cuda.default_generators[device.index or 0].manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)

    def _check(self) -> None:
        """Look for divergence, tell how far the fit is, and write a checkpoint where one is due."""
        state = self._state
        self._refuse_divergence()
        num_new = state.batch - self._checked
        lr = self._plan.optimizer.param_groups[-1]["lr"]
        self._plan.progress.advance(num_new, float(self._losses[state.batch - 1]), lr)
        saves, leaves = self._agree(num_new)
        if saves or leaves:
            self._save(checkpoint.MIDDLE)
        if leaves:
            raise SystemExit(128 + signal.SIGTERM)

    def _agree(self, num_new: int) -> tuple[bool, bool]:
        """Whether all devices save and leave, and when they look up again.

        Any may be asked to leave; all else goes by the clock of rank 0.
        """
        now_s = time.monotonic()
        pace = min(CHECK_STEPS, max(1, int(CHECK_S * num_new / (now_s - self._checked_s))))
        saves = now_s - self._saved_s > CHECKPOINT_S and self._state.batch < self._num_batches
        is_first = self._fabric.is_global_zero
        votes = [is_first * saves, self._is_asked_to_leave, is_first * pace]
        agreed = self._reduced(torch.tensor(votes, device=self._fabric.device), "sum").tolist()
        self._checked, self._checked_s, self._pace = self._state.batch, now_s, int(agreed[2])
        return agreed[0] > 0, agreed[1] > 0

    def _save(self, name: str) -> None:
        plan, state = self._plan, self._state
        state.network, state.optimizer = plan.network.state_dict(), plan.optimizer.state_dict()
        state.average = self._mean.state_dict() if self._mean else None
        state.losses = self._mean_losses()
        if self._fabric.is_global_zero:
            checkpoint.save(state, plan.folder / name)
        self._fabric.barrier()  # who goes on knows that the checkpoint is written
        self._saved_s = time.monotonic()

    def _mean_losses(self) -> list[float]:
        """Over the devices, of the batches of this epoch that are done."""
        losses = self._losses[: self._state.batch]
        return [float(value) for value in self._reduced(losses, "mean").tolist()]

    def _reduced(self, values: Tensor, how: str) -> Tensor:
        """Over all devices; a single one has nothing to add."""
        if self._is_alone:
            return values
        reduced = self._fabric.all_reduce(values.clone(), reduce_op=how)
        assert isinstance(reduced, Tensor)
        return reduced

    def _refuse_divergence(self) -> None:
        is_bad = ~torch.isfinite(self._losses[: self._state.batch])
        if not self._is_alone:
            is_bad = self._reduced(is_bad.float(), "sum") > 0
        if bool(is_bad.any()):
            raise Diverged(int(is_bad.nonzero()[0]))

    def _recover(self, error: "Diverged") -> None:
        """Go back to the last epoch's end at half the rate, or stop and say where it happened."""
        told = self._told(error.batch)
        scale = self._state.lr_scale / 2
        if self._plan.settings.on_divergence == "stop" or scale < 0.5**MOST_RECOVERIES:
            raise UserError(f"{told}; lower lr, or set training.on_divergence: recover")
        self._state = checkpoint.load_epoch(self._plan.folder)
        self._state.lr_scale = scale
        self._restore(self._state)
        if self._fabric.is_global_zero:
            (self._plan.folder / checkpoint.MIDDLE).unlink(missing_ok=True)
            checkpoint.save(self._state, self._plan.folder / checkpoint.EPOCH)
            print(f"{told}; back to the end of the epoch before, learning rate × {scale:g}")

    def _told(self, batch: int) -> str:
        state = self._state
        step = state.epoch * self._num_batches + batch
        lr = self._plan.settings.lr * self._factor(step) * state.lr_scale
        ids = self._plan.data.ids(state.epoch, batch)
        return (
            f"the loss is not finite in step {step} (epoch {state.epoch + 1}, lr {lr:.3g}, samples "
            f"{', '.join(ids[:5])}, …)"
        )

    @torch.inference_mode()
    def _validate(self) -> dict[str, float]:
        """Mean figures over val, each sample once, on any number of devices."""
        plan = self._plan
        self._model.eval()
        sums: dict[str, float] = {}
        count = 0
        for batch in self._val:
            moved = plan.data.to_device(batch)
            logits = self._model(moved.images).float().cpu().numpy()
            for name, values in plan.scores(logits, batch.targets.numpy()).items():
                sums[name] = sums.get(name, 0.0) + float(values.sum())
            count += len(batch.targets)
        totals = torch.tensor([*sums.values(), count], dtype=torch.float64)
        totals = self._reduced(totals.to(self._fabric.device), "sum")
        means = (totals / totals[-1]).tolist()
        return {f"val/{name}": value for name, value in zip(sums, means, strict=False)}

    def _finish_epoch(self) -> None:
        """Keep the best weights and the state, and tell; in an order that may end anywhere."""
        plan, state, epoch = self._plan, self._state, self._state.epoch
        losses = self._mean_losses()
        with self._averaged():
            figures = self._validate()
            figures["train/loss"] = math.fsum(losses) / len(losses)
            figures["train/lr"] = plan.optimizer.param_groups[-1]["lr"]  # the classifier's
            state.history.append(figures)
            if self._best == epoch and self._fabric.is_global_zero:
                checkpoint.write(plan.network.state_dict(), plan.folder / checkpoint.BEST)
        state.epoch, state.batch, state.losses = epoch + 1, 0, []
        self._save(checkpoint.EPOCH)
        if self._fabric.is_global_zero:
            (plan.folder / checkpoint.MIDDLE).unlink(missing_ok=True)
            plan.record(figures, epoch)
            plan.progress.epoch(epoch, figures)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Inside, the network holds the mean of its weights, where that is what counts."""
        average, epoch, num_epochs = (
            self._plan.settings.average, self._state.epoch, self._plan.settings.epochs
        )  # fmt: skip
        if isinstance(average, SWA) and self._mean and swa_counts(average, epoch, num_epochs):
            self._mean.update(swa_weight(self._mean.num_updates))
        is_last = epoch + 1 == num_epochs
        if self._mean is None or (isinstance(average, SWA) and not is_last):
            yield
            return
        with self._mean.applied():
            if isinstance(average, SWA):
                self.prepare(epoch)
                update_batch_norm(self._plan.network, self._images_of(epoch))
            yield

    def _images_of(self, epoch: int) -> Iterator[Tensor]:
        self._plan.data.sampler.set_epoch(epoch)
        return (self._plan.data.to_device(batch).images for batch in self._loader)

    def _ask_to_leave(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._is_asked_to_leave = True


class Diverged(Exception):  # noqa: N818  # it is the fit that did
    """The loss of a batch of this epoch is not finite."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.batch = batch
