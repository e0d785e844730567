"""The training loop: one fit, in one process of Fabric. All processes of a fit run the same lines.

A step is what a hand-written loop would do. Whatever else there is to do (looking for a NaN,
writing a checkpoint, drawing the bar, leaving) is done every `CHECK_STEPS` steps, or every
`CHECK_S` seconds where steps are slow.
"""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from socket import gethostname
from types import FrameType

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.optimisation import SWA
from pipeline.training import checkpoint, memory
from pipeline.training.averaging import swa_counts, swa_weight, update_batch_norm
from pipeline.training.checkpoint import State
from pipeline.training.data import Batch
from pipeline.training.lightning import Fabric
from pipeline.training.plan import Plan
from pipeline.training.schedules import factor
from pipeline.training.sharding import cut, cut_optimizer, whole
from pipeline.training.stepper import Stepper

CHECK_STEPS = 64
CHECK_S = 2.0
CHECKPOINT_S = 60.0  # between two checkpoints within an epoch
MOST_RECOVERIES = 5


class Loop:
    """Trains `plan.network` and leaves its best epoch in `best.pt`."""

    def __init__(self, fabric: Fabric, plan: Plan) -> None:
        self._fabric, self._plan = fabric, plan
        self._loader = plan.data.train()
        self._num_batches = len(self._loader)
        self._losses = torch.zeros(self._num_batches, device=fabric.device)
        self._stepper = Stepper(fabric, plan)
        self._state = self._begin()
        self._saved_s = self._checked_s = time.monotonic()
        self._checked, self._pace = 0, 1  # the batch after which to look up, and how many later
        self._is_asked_to_leave = False

    def run(self) -> None:
        """Train until the last epoch or until patience ends."""
        if self._fabric.is_global_zero:
            for epoch, figures in enumerate(self._state.history):
                self._plan.record(figures, epoch)
        before = signal.signal(signal.SIGTERM, self._ask_to_leave)
        try:
            while self._state.epoch < self._plan.settings.epochs and not self._is_stale:
                is_too_large = False
                try:
                    self._train_epoch()
                    self._finish_epoch()
                except Diverged as error:
                    self._recover(error)
                except torch.OutOfMemoryError:
                    is_too_large = True
                if is_too_large:  # now the error no longer holds what the step has computed
                    self._shrink()
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
        asked, share = self._plan.settings.micro_batches, self._plan.data.share
        self._stepper.num_parts = self._fabric.broadcast(memory.num_parts(folder, asked, share))
        return held

    def _restore(self, held: State) -> None:
        network, optimizer = self._plan.network, self._plan.optimizer
        network.load_state_dict(cut(held.network, network.state_dict()))
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.load_state_dict(cut_optimizer(held.optimizer, parameters))
        if self._stepper.mean and held.average:
            self._stepper.mean.load_state_dict(held.average)
        self._losses[: held.batch] = torch.tensor(held.losses)

    def _train_epoch(self) -> None:
        state, sampler = self._state, self._plan.data.sampler
        sampler.set_epoch(state.epoch)
        sampler.first_batch = state.batch
        self._stepper.prepare(state.epoch)
        self._checked, self._checked_s = state.batch, time.monotonic()
        for batch in self._loader:
            self._step(batch)
            state.batch += 1
            is_due = state.batch in (self._checked + self._pace, self._num_batches)
            if is_due or (self._is_alone and self._is_asked_to_leave):
                self._check()

    def _step(self, batch: Batch) -> None:
        state = self._state
        step = state.epoch * self._num_batches + state.batch
        lr_factor = self._factor(step) * state.lr_scale
        self._losses[state.batch] = self._stepper.update(batch, step, lr_factor)

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
        plan = self._plan
        saved = replace(
            self._state,
            network=whole(plan.network.state_dict()),
            optimizer=whole(plan.optimizer.state_dict()),
            average=whole(self._stepper.mean.state_dict()) if self._stepper.mean else None,
            losses=self._mean_losses(),
        )
        if self._fabric.is_global_zero:
            checkpoint.save(saved, plan.folder / name)
            if name == checkpoint.EPOCH:
                (plan.folder / checkpoint.MIDDLE).unlink(missing_ok=True)
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
        self._save(checkpoint.EPOCH)
        if self._fabric.is_global_zero:
            print(f"{told}; back to the end of the epoch before, learning rate × {scale:g}")

    def _shrink(self) -> None:
        """Go back to the last checkpoint, and on in smaller parts."""
        folder = self._plan.folder
        told = memory.remember(folder, self._stepper.num_parts, self._plan.data.share)
        if not self._is_alone:
            raise memory.TooLargeError(told)
        print(told)
        self._stepper.forget()
        torch.cuda.empty_cache()
        self._state = self._begin()

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
        sums: dict[str, float] = {}
        count = 0
        for batch in plan.data.val(self._stepper.num_parts):
            moved = plan.data.to_device(batch)
            logits = self._stepper.logits(moved.images).cpu().numpy()
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
            if self._best == epoch:
                weights = whole(plan.network.state_dict())
                if self._fabric.is_global_zero:
                    checkpoint.write(weights, plan.folder / checkpoint.BEST)
        state.epoch, state.batch = epoch + 1, 0
        self._save(checkpoint.EPOCH)
        if self._fabric.is_global_zero:
            plan.record(figures, epoch)
            plan.progress.epoch(epoch, figures)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Inside, the network holds the mean of its weights, where that is what counts."""
        average, epoch, num_epochs = (
            self._plan.settings.average, self._state.epoch, self._plan.settings.epochs
        )  # fmt: skip
        if (
            isinstance(average, SWA)
            and self._stepper.mean
            and swa_counts(average, epoch, num_epochs)
        ):
            self._stepper.mean.update(swa_weight(self._stepper.mean.num_updates))
        is_last = epoch + 1 == num_epochs
        if self._stepper.mean is None or (isinstance(average, SWA) and not is_last):
            yield
            return
        with self._stepper.mean.applied():
            if isinstance(average, SWA):
                self._stepper.prepare(epoch)
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
