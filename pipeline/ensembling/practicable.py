"""Leave out what would take hours over this many classes, members and samples."""

from collections.abc import Iterable

from pipeline.core.component import Component

MOST_VALUES = 10**9
"""The most predicted values that further fits, which measure what members add, read in all: each
value once a fit. It takes some ten minutes."""


def practicable(
    components: Iterable[Component], num_features: int
) -> tuple[list[Component], list[str]]:
    """Return the components that can be fitted, and a sentence on each of the others.

    Args:
        num_features: the number of classes, times the number of members for methods. A component
            may declare the most that it is fitted on, as `Params.MOST_FEATURES`.
    """
    kept, notes = [], []
    for component in components:
        most = getattr(type(component), "MOST_FEATURES", num_features)
        if num_features <= most:
            kept.append(component)
        else:
            notes.append(
                f"{component.name} was not fitted: it would see {num_features:,} features, and "
                f"takes {most:,} at most in reasonable time"
            )
    return kept, notes
