"""params.yaml as one typed, frozen tree. Each section has a file beside this one."""

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from pipeline.config.augmentation import Augmentation
from pipeline.config.data import Data
from pipeline.config.distillation import Student
from pipeline.config.ensembling import Ensembling
from pipeline.config.evaluation import Evaluation
from pipeline.config.execution import Execution
from pipeline.config.hardware import Hardware
from pipeline.config.prediction import Prediction
from pipeline.config.recipes import Member, Recipe, Soup
from pipeline.config.serving import Serving
from pipeline.config.tracking import Tracking
from pipeline.config.types import Name
from pipeline.core.component import Choice, Component, Strict

Task: TypeAlias = Annotated[Component, Choice("task")]


class Params(Strict):
    """The whole of params.yaml."""

    data: Data
    task: Task
    augmentation: Augmentation
    recipes: Annotated[dict[Name, Recipe], Field(min_length=1)]
    members: Annotated[dict[Name, Member], Field(min_length=1)]
    soups: dict[Name, Soup]
    prediction: Prediction
    ensemble: Ensembling
    distil: dict[Name, Student]
    hardware: Hardware
    evaluation: Evaluation
    serving: Serving
    # dvc.yaml names all of the above, so DVC requires them in the file; `{}` takes the defaults.
    tracking: Tracking = Tracking()
    execution: Execution = Execution()

    @property
    def pool(self) -> tuple[str, ...]:
        """Names of everything that ensembles combine: members, and soups of them."""
        return (*self.members, *self.soups)

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of everything that predicts: the pool, and the students of its ensemble."""
        return (*self.pool, *self.distil)

    @property
    def is_live(self) -> bool:
        """Whether each stage is shown in MLflow while it runs."""
        return self.tracking.live


def monitor(task: Component) -> str:
    """Return the metric for early stopping, checkpoint selection and searches: lower is better."""
    declared: Any = task
    return f"val/{declared.MONITOR}"
