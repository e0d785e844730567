"""The predictions of one member, as work that a process of its own does."""

from pathlib import Path
from typing import ClassVar

from pipeline.config.prediction import Views
from pipeline.core.paths import Layout
from pipeline.execution.work import Work


class PredictionJob(Work):
    """Predict validation and test with the networks of a member or a soup."""

    MODULE: ClassVar[str] = "pipeline.prediction.run"
    IMPORTS: ClassVar[tuple[str, ...]] = ("pipeline.prediction.predictor",)

    member: str
    networks: str
    """The folder of its networks, one for each fold."""
    test_time: Views

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The packed images and the networks."""
        return (Layout().card, Layout().trainval, Layout().test, Path(self.networks))

    @property
    def outputs(self) -> Layout:
        """Where the predictions and the cost are written."""
        return Layout(Path(self.folder) / "outputs")

    @property
    def result(self) -> Path:
        """The cost, which is written last."""
        return self.outputs.cost(self.member)
