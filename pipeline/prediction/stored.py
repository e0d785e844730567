"""Load a member as the parameters name it; the packaged model, which has none, does without."""

import torch

from pipeline.config.networks import networks_of
from pipeline.config.params import Params
from pipeline.core.paths import Layout
from pipeline.prediction.predictor import Predictor


def load_stored(inputs: Layout, name: str, params: Params, device: torch.device) -> Predictor:
    """Load a member, a soup or a student with the views and hardware that the parameters set."""
    views = params.prediction.of(name)
    member = Predictor.load(networks_of(inputs, name, params), device, views)
    member.arrange(params.hardware)
    return member
