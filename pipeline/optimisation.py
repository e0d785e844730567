"""How a network is optimised: the keys `optimiser`, `schedule`, `average` of training, and others.

The learning rate and the weight decay are not here: they are `training.lr` and
`training.weight_decay`, whichever optimiser is chosen.
"""

from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.component import Strict

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
            raise PydanticCustomError("nesterov", "nesterov with a momentum above 0 only")
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
    """How much of the running mean of the squared gradient a step keeps."""
    momentum: Momentum = 0.0
    eps: Epsilon = 1e-8


class Lion(Strict):
    """X. Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, algorithm 2. It wants a
    learning rate 3 to 10 times below AdamW's, and a weight decay as many times above."""

    name: Literal["lion"] = "lion"
    betas: Betas = (0.9, 0.99)


class Muon(Strict):
    """K. Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024.

    The momentum of the hidden weights is made orthogonal, a kernel of a convolution being a matrix
    with a row for each output channel. AdamW steps everything else. Steps have the size of AdamW's,
    so that both share one learning rate and weight decay (J. Liu et al., Muon is Scalable for LLM
    Training, 2025, equation 4). A step costs the same whatever the batch: on one core with AMX as
    much as 8 of AdamW's over ResNet-18, and as much as 10 over 24,000 parameters.
    """

    name: Literal["muon"] = "muon"
    momentum: Momentum = 0.95
    betas: Betas = (0.9, 0.999)
    """Of AdamW."""
    eps: Epsilon = 1e-8
    """Of AdamW."""


Optimiser: TypeAlias = SGD | Adam | AdamW | RMSprop | Lion | Muon


class Constant(Strict):
    """training.lr throughout."""

    name: Literal["constant"] = "constant"
    warmup_epochs: Epochs = 1.0


class Step(Strict):
    """Falls by `gamma` at each milestone."""

    name: Literal["step"] = "step"
    warmup_epochs: Epochs = 1.0
    milestones_epochs: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
    """Counted from the start of training; rising."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1

    @model_validator(mode="after")
    def _rising(self) -> "Step":
        if any(later <= earlier for earlier, later in pairwise(self.milestones_epochs)):
            raise PydanticCustomError(
                "milestones", "milestones_epochs that rise, [a, b] with a < b"
            )
        return self


class Cosine(Strict):
    """I. Loshchilov and F. Hutter, SGDR, 2017, equation 5, without restarts."""

    name: Literal["cosine"] = "cosine"
    warmup_epochs: Epochs = 1.0
    floor: Share = 0.0
    """Where it ends, as a share of training.lr."""


class OneCycle(Strict):
    """L. Smith, A Disciplined Approach to Neural Network Hyper-Parameters, 2018, section 4.1, with
    cosine halves. The momentum stays as it is."""

    name: Literal["one_cycle"] = "one_cycle"
    warmup_epochs: Epochs | None = None
    """The rising half; null takes 0.3 of all epochs."""
    start: Share = 0.04
    """Where it starts, as a share of training.lr."""
    end: Share = 4e-6
    """Where it ends, as a share of training.lr."""


class Plateau(Strict):
    """Falls by `gamma` after each `patience` epochs and one more without a better figure."""

    name: Literal["plateau"] = "plateau"
    warmup_epochs: Epochs = 1.0
    patience: Annotated[int, Field(ge=0)] = 5
    gamma: Annotated[float, Field(gt=0, lt=1)] = 0.1
    threshold: Share = 1e-4
    """Better is lower by this share of the best figure so far."""
    floor: Share = 0.0
    """The least it falls to, as a share of training.lr."""


Schedule: TypeAlias = Constant | Step | Cosine | OneCycle | Plateau


class EMA(Strict):
    """Exponential moving average of the weights, updated at every step."""

    name: Literal["ema"] = "ema"
    half_life_epochs: Annotated[float, Field(gt=0)] = 1.0
    """After this long a weight counts half: the same for any batch size."""


class SWA(Strict):
    """Mean of the weights at the ends of the last epochs; batch norm is then estimated anew."""

    name: Literal["swa"] = "swa"
    start: Share = 0.75
    """The share of all epochs before the first that counts."""


Average: TypeAlias = EMA | SWA


class Clip(Strict):
    """Keeps the gradient from being too large."""

    by: Literal["norm", "value"] = "norm"
    """norm: of all gradients together, their direction kept; value: each element on its own."""
    at: Annotated[float, Field(gt=0)] = 1.0


class Penalty(Strict):
    """Terms of the loss, over the weights that decay: l1 Σ|w| + l2 / 2 Σw²."""

    l1: Annotated[float, Field(ge=0)] = 0.0
    l2: Annotated[float, Field(ge=0)] = 0.0


class Transfer(Strict):
    """How a network goes on from pretrained weights. Depth counts in blocks, as
    `python -m pipeline summary` does; the last is the classifier."""

    lr_decay_by_depth: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Each block learns at this share of the rate of the next; training.lr is the classifier's."""
    frozen_epochs: Annotated[int, Field(ge=0)] | None = 0
    """How long the classifier alone learns; null is to the end, which is feature extraction."""
    gradual: bool = False
    """Afterwards one block more, from the classifier on, every `frozen_epochs`, and not all."""

    @model_validator(mode="after")
    def _has_a_pace(self) -> "Transfer":
        if self.gradual and not self.frozen_epochs:
            raise PydanticCustomError("gradual", "gradual with frozen_epochs of 1 or more only")
        return self
