"""How a network is optimised: `optimiser`, `schedule`, `average` and other keys of training.

The learning rate and the weight decay are not here: they are `training.lr` and
`training.weight_decay`, whichever optimiser is chosen.
"""

from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.core.component import Strict

Momentum = Annotated[float, Field(ge=0, lt=1)]
Betas = tuple[Momentum, Momentum]
Epsilon = Annotated[float, Field(gt=0)]
Epochs = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class SGD(Strict):
    """Stochastic gradient descent. Weight decay is added to the gradient."""

    name: Literal["sgd"] = "sgd"
    momentum: Momentum = 0.9
    nesterov: bool = False

    @model_validator(mode="after")
    def _has_momentum(self) -> "SGD":
        if self.nesterov and not self.momentum:
            raise PydanticCustomError("nesterov", "nesterov only with a momentum above 0")
        return self


class Adam(Strict):
    """D. Kingma and J. Ba, Adam, 2015. Weight decay is added to the gradient."""

    name: Literal["adam"] = "adam"
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8


class AdamW(Strict):
    """I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, 2019."""

    name: Literal["adamw"] = "adamw"
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8


class RMSprop(Strict):
    """T. Hinton, Neural Networks for Machine Learning, 2012, lecture 6e. Weight decay is added to
    the gradient."""

    name: Literal["rmsprop"] = "rmsprop"
    alpha: Momentum = 0.99
    """The share of the running mean of the squared gradient that a step keeps."""
    momentum: Momentum = 0.0
    eps: Epsilon = 1e-8


class Lion(Strict):
    """X. Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, algorithm 2. Its
    learning rate should be 3 to 10 times lower than AdamW's, and its weight decay as many times
    higher."""

    name: Literal["lion"] = "lion"
    betas: Betas = (0.9, 0.99)


class Muon(Strict):
    """K. Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024.

    The momentum of the hidden weights is orthogonalised, with a convolution kernel as a matrix that
    has one row per output channel. AdamW updates everything else. Steps have the size of AdamW's,
    so that both share one learning rate and weight decay (J. Liu et al., Muon is Scalable for LLM
    Training, 2025, equation 4). The cost of a step does not depend on the batch: on one core with
    AMX it is that of 8 AdamW steps for ResNet-18, and of 10 for 24,000 parameters.
    """

    name: Literal["muon"] = "muon"
    momentum: Momentum = 0.95
    betas: Betas = (0.9, 0.999)
    """Betas of AdamW."""
    eps: Epsilon = 1e-8
    """Epsilon of AdamW."""


Optimiser: TypeAlias = SGD | Adam | AdamW | RMSprop | Lion | Muon


class Constant(Strict):
    """Hold the rate at training.lr throughout."""

    name: Literal["constant"] = "constant"
    warmup_epochs: Epochs = 1.0


class StepDecay(Strict):
    """Multiply the rate by `gamma` at each milestone."""

    name: Literal["step"] = "step"
    warmup_epochs: Epochs = 1.0
    milestones_epochs: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
    """Epochs from the start of training, in rising order."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1

    @model_validator(mode="after")
    def _rising(self) -> "StepDecay":
        if any(later <= earlier for earlier, later in pairwise(self.milestones_epochs)):
            raise PydanticCustomError(
                "milestones", "milestones_epochs in increasing order, [a, b] with a < b"
            )
        return self


class Cosine(Strict):
    """I. Loshchilov and F. Hutter, SGDR, 2017, equation 5, without restarts."""

    name: Literal["cosine"] = "cosine"
    warmup_epochs: Epochs = 1.0
    floor: Share = 0.0
    """Final rate, as a share of training.lr."""


class OneCycle(Strict):
    """L. Smith, A Disciplined Approach to Neural Network Hyper-Parameters, 2018, section 4.1, with
    cosine halves. The momentum stays constant."""

    name: Literal["one_cycle"] = "one_cycle"
    warmup_epochs: Epochs | None = None
    """Length of the rising half; null takes 0.3 of all epochs."""
    start: Share = 0.04
    """Initial rate, as a share of training.lr."""
    end: Share = 4e-6
    """Final rate, as a share of training.lr."""


class Plateau(Strict):
    """Multiply the rate by `gamma` after `patience` + 1 epochs in a row without improvement."""

    name: Literal["plateau"] = "plateau"
    warmup_epochs: Epochs = 1.0
    patience: Annotated[int, Field(ge=0)] = 5
    gamma: Annotated[float, Field(gt=0, lt=1)] = 0.1
    threshold: Share = 1e-4
    """An improvement is lower than the best value so far by at least this share of it."""
    floor: Share = 0.0
    """The lowest rate, as a share of training.lr."""


Schedule: TypeAlias = Constant | StepDecay | Cosine | OneCycle | Plateau


class EMA(Strict):
    """Exponential moving average of the weights, updated at every step."""

    name: Literal["ema"] = "ema"
    half_life_epochs: Annotated[float, Field(gt=0)] = 1.0
    """Time after which a weight counts half: the same for any batch size."""


class SWA(Strict):
    """Mean of the weights at the ends of the last epochs; batch norm is then re-estimated."""

    name: Literal["swa"] = "swa"
    start: Share = 0.75
    """The share of all epochs that pass before the first one that is averaged."""


Average: TypeAlias = EMA | SWA


class Clip(Strict):
    """Limit the size of the gradient."""

    by: Literal["norm", "value"] = "norm"
    """norm: limit the norm of all gradients together, direction kept; value: each element."""
    at: Annotated[float, Field(gt=0)] = 1.0


class Penalty(Strict):
    """Penalty terms of the loss, over the weights that decay: l1 Σ|w| + l2 / 2 Σw²."""

    l1: Annotated[float, Field(ge=0)] = 0.0
    l2: Annotated[float, Field(ge=0)] = 0.0


class Transfer(Strict):
    """How training continues from pretrained weights. Depth is counted in blocks, as in `python -m
    pipeline summary`; the last block is the classifier."""

    lr_decay_by_depth: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Ratio of each block's learning rate to that of the next; the classifier's is training.lr."""
    frozen_epochs: Annotated[int, Field(ge=0)] | None = 0
    """Epochs in which only the classifier trains; null: all of them (feature extraction)."""
    gradual: bool = False
    """Then unfreeze one block every `frozen_epochs`, from the classifier on, not all at once."""

    @model_validator(mode="after")
    def _has_a_pace(self) -> "Transfer":
        if self.gradual and not self.frozen_epochs:
            raise PydanticCustomError("gradual", "gradual only with frozen_epochs of 1 or more")
        return self
