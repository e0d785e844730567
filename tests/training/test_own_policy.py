"""A recipe that names its own augmentation policy trains with it."""

import numpy as np
import pytest

from pipeline.core.component import make
from pipeline.core.paths import Layout
from pipeline.training.datamodule import Inputs
from tests.conftest import Workspace
from tests.training.test_data import Loader

pytestmark = pytest.mark.slow


def test_training_sees_the_images_of_the_recipe_s_policy(reproduced: Workspace) -> None:
    """The stored policy moves the images of digits; the recipe's leaves them as they are."""
    layout = Layout(reproduced.folder)
    own = Inputs.open(layout, policy=make("policy", "none"))
    stored = {image.tobytes() for image in own.train.images[:]}
    unchanged = [image in stored for image in seen(own)]
    assert len(unchanged) > 1000
    assert all(unchanged)
    assert np.mean([image in stored for image in seen(Inputs.open(layout))]) < 0.5


def seen(given: Inputs) -> list[bytes]:
    """The images of one epoch."""
    batches = Loader(given, {}, workers=0, rank=0, world=1).epoch(0)
    return [image.numpy().tobytes() for batch in batches for image in batch.images]
