"""The section `tracking`: how the runs are named in MLflow."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from pipeline.core.component import Strict


def _plain(name: str) -> str:
    """Refuse a name that MLflow's registry does not take, or that cannot stand in a query."""
    if not name.strip() or any(sign in name for sign in "'\"`/:\\"):
        raise PydanticCustomError("model_name", "a name without quotes, slashes and colons")
    return name


def _not_blank(name: str) -> str:
    """Refuse a name that MLflow would refuse too, after all work."""
    if not name.strip():
        raise PydanticCustomError("experiment_name", "a name")
    return name


ModelName = Annotated[str, AfterValidator(_plain)]


class Tracking(Strict):
    """How the runs are named in MLflow. MLFLOW_TRACKING_URI sets the server."""

    experiment: Annotated[str, AfterValidator(_not_blank)] = "convoy"
    registered_model: ModelName = "convoy"
    live: bool = True
    """Show each stage while it runs, by a process beside it that takes 3 s of processor time; false
    shows all of them when the last one is done."""
    promotion_margin: Annotated[float, Field(ge=0)] = 0.0
    """The lead, in units of the headline metric, that `convoy promote` must find shown before a
    model takes the champion's place; 0: any lead that is shown."""
