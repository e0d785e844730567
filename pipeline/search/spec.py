"""What one study searches, and by which metrics."""

from dataclasses import dataclass

from pipeline.config.params import Params, monitor
from pipeline.config.recipes import Recipe
from pipeline.config.search import Objective, Search, objectives_of


@dataclass(frozen=True)
class StudySpec:
    """The parameters of one study."""

    name: str
    """The name of the recipe."""
    recipe: Recipe
    search: Search
    objectives: tuple[Objective, ...]
    monitor: str
    """The metric by which a fit keeps its best epoch; lower is better."""

    @classmethod
    def of(cls, params: Params, name: str) -> "StudySpec":
        """Return the spec of a recipe that has a search."""
        recipe = params.recipes[name]
        assert recipe.search is not None
        objectives = objectives_of(recipe.search, params.task)
        return cls(name, recipe, recipe.search, objectives, monitor(params.task))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the objectives and constraints name, each once."""
        named = [objective.metric for objective in self.objectives]
        named += [constraint.metric for constraint in self.search.constraints]
        return tuple(dict.fromkeys(named))
