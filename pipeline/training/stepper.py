"""One step of a fit on one device, which is what a hand-written loop would do."""

from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pipeline.optimisation import EMA
from pipeline.training import buckets
from pipeline.training.averaging import Mean, ema_weight
from pipeline.training.data import Batch, split
from pipeline.training.lightning import Fabric
from pipeline.training.optimisers.groups import scale_lr, weights
from pipeline.training.penalties import clip, penalty
from pipeline.training.plan import Plan
from pipeline.training.transfer import freeze, num_learning


class Stepper:
    """The network, its optimiser and the mean of its weights, as they learn."""

    def __init__(self, fabric: Fabric, plan: Plan) -> None:
        self._fabric, self._plan = fabric, plan
        self._num_learning = len(plan.blocks)
        self._model = self._connected()
        self._weights: list[torch.nn.Parameter] = []
        self.mean = Mean(plan.network) if plan.settings.average else None
        self.num_parts = plan.settings.micro_batches
        """Of a batch, that are computed one after the other."""

    def prepare(self, epoch: int) -> None:
        """Let the network learn what it is to learn in `epoch`."""
        plan = self._plan
        num = num_learning(plan.settings.transfer, epoch, len(plan.blocks))
        self._model.train()
        freeze(plan.network, plan.blocks, num)
        if num != self._num_learning:  # gradients of all that learns are added up over devices
            self._model, self._num_learning = self._connected(), num
        in_groups = weights(plan.optimizer.param_groups)
        self._weights = [weight for weight in in_groups if weight.requires_grad]

    def forget(self) -> None:
        """What gradients there are."""
        self._plan.optimizer.zero_grad()

    def logits(self, images: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n k"]:
        """In evaluation mode, in float32."""
        self._model.eval()
        logits: Tensor = self._model(images).float()
        return logits

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
        plan.optimizer.step()
        self.forget()
        if self.mean and isinstance(plan.settings.average, EMA):
            num_batches = plan.data.sampler.num_batches
            weight = ema_weight(plan.settings.average, self.mean.num_updates, num_batches)
            self.mean.update(weight)
        return loss

    def _gradients(self, batch: Batch) -> Tensor:
        """Add up a batch's gradients; its mean loss stays on the device: no step waits for it."""
        *others, last = split(batch, self.num_parts)
        losses = []
        for part in others:
            with self._without_sums():
                losses.append(self._learn(part))
        losses.append(self._learn(last, is_last=True))
        return sum(losses[1:], losses[0])

    def _learn(self, part: Batch, *, is_last: bool = False) -> Tensor:
        """Add the gradients of a part of a batch; its share of the batch's mean loss."""
        loss = self._loss(part)
        if self.num_parts > 1:
            loss = loss / self.num_parts
        share = loss.detach()
        if is_last and self._is_penalised:
            loss = loss + penalty(self._plan.settings.penalty, self._weights)
        torch.autograd.backward(loss)
        return share

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

    def _seed_dropout(self, step: int) -> None:
        """What a network draws is tied to (seed, step, device), not to what was drawn before."""
        key = f"{self._plan.seed}/{step}/{self._fabric.global_rank}".encode()
        seed = int.from_bytes(blake2b(key, digest_size=8).digest()) >> 1
        device = self._fabric.device
        if device.type == "cuda":
            torch.cuda.default_generators[device.index or 0].manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)

    def _connected(self) -> nn.Module:
        """The network, whose gradients are added up over the devices."""
        # Not by `fabric.setup`: its wrappers slow a short step down, for a precision that is ours.
        fabric, network = self._fabric, self._plan.network
        model = fabric.strategy.setup_module(fabric.to_device(network))
        if fabric.world_size > 1:
            buckets.lay_out(model, network, fabric.device)
        return model

    def _without_sums(self) -> AbstractContextManager[None]:
        """Inside, gradients are not added up over the devices, where each can hold them whole."""
        model = self._model
        return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()
