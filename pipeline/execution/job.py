"""One fit: what to train, on which data."""

from pathlib import Path
from typing import ClassVar

from pipeline.config.distillation import Student
from pipeline.config.params import Task
from pipeline.config.recipes import Recipe
from pipeline.config.types import Positive, Seed
from pipeline.core.paths import Layout
from pipeline.execution.work import Work


class Job(Work):
    """A fit: a trial of a search, one fold of one member, or a student."""

    MODULE: ClassVar[str] = "pipeline.training.run"
    IMPORTS: ClassVar[tuple[str, ...]] = ("pipeline.training.fit",)

    recipe: Recipe
    task: Task
    seed: Seed
    init_seed: Seed | None = None
    """The seed of the fresh weights alone; null: `seed`."""
    until_epoch: Positive | None = None
    """Stop after so many epochs of the schedule, which spans all of the recipe's; the same job with
    a later end goes on from there, bit for bit as if it had never stopped. null: run to the end."""
    fold: int = 0
    """The fold of the packed data that serves for validation."""
    student: Student | None = None
    """How it learns from the ensemble too, if it does."""
    is_first: bool = True
    """Whether it prints what all fits of its run share, such as their precision."""
    network: str | None = None
    """Where to write the network of the best epoch at the end, with the metrics of all epochs."""

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The packed images, without test, and pretrained weights and the teacher if there are."""
        layout, weights = Layout(), getattr(self.recipe.model, "pretrained", None)
        named = (Path(weights),) if isinstance(weights, str) else ()
        teacher = (layout.teacher,) if self.student else ()
        return (layout.card, layout.trainval, layout.augmentation, *named, *teacher)

    @property
    def result(self) -> Path | None:
        """The network, where one is wanted."""
        return Path(self.network) if self.network else None
