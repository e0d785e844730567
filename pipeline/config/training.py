"""The section `training` of a recipe: the settings of one fit."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.callbacks import Callbacks
from pipeline.config.optimisation import (
    AdamW,
    Average,
    Clip,
    Cosine,
    Optimiser,
    Penalty,
    Schedule,
    Share,
    Transfer,
)
from pipeline.config.types import Positive
from pipeline.core.component import Strict


class Training(Strict):
    """The settings of one fit."""

    epochs: Positive
    batch_size: Positive
    """Images per optimiser step, over all devices together."""
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay of kernels and matrices; norms, biases and embeddings do not decay."""
    optimiser: Annotated[Optimiser, Field(discriminator="name")] = AdamW()
    schedule: Annotated[Schedule, Field(discriminator="name")] = Cosine()
    average: Annotated[Average, Field(discriminator="name")] | None = None
    clip: Clip | None = None
    penalty: Penalty = Penalty()
    transfer: Transfer = Transfer()
    micro_batches: Positive = 1
    """Number of parts of a batch that are computed one after the other (gradient accumulation), for
    a batch that does not fit in memory. Batch norm sees one part at a time."""
    patience: Positive | None = None
    """Stop after this many epochs without improvement, see `monitor`; null: never stop early."""
    on_divergence: Literal["stop", "recover"] = "stop"
    """What to do if the loss is not finite: stop, or go back one epoch and halve the rate."""
    class_weights: Literal["inverse", "inverse_sqrt", "effective"] | None = None
    """Weigh the loss of each class by its size in train; of each label, by the number of images
    that have it, whether or not it is present in the image."""
    class_weights_start: Share = 0.0
    """The share of all epochs that pass before the class weights apply (deferred re-weighting: K.
    Cao et al., Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, 2019)."""
    logit_adjustment: Annotated[float, Field(ge=0)] = 0.0
    """Predict as if all classes were equally common: the loss adds to each logit the log of its
    class's share of an epoch, times this factor. 1 follows from theory, 0 leaves the logits alone
    (A. Menon et al., Long-tail Learning via Logit Adjustment, 2021)."""
    sampling: Literal["natural", "square_root", "balanced"] = "natural"
    """The classes' shares in an epoch: natural, by the square root of their size, or equal."""
    resampling: Literal["over", "under"] = "over"
    """Reach these shares by repeating small classes, or by subsampling large ones. With `under`, an
    epoch has few images: in as many epochs as natural sampling it reached 5 to 9 points less
    balanced accuracy on a tail of 100:1 (bench/results/long_tail.md)."""
    callbacks: Callbacks = ()
    """Further callbacks for Lightning's Trainer: `{name: ..., **arguments}`, where the name is that
    of a file in pipeline/callbacks or of a Lightning callback in snake case."""
