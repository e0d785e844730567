"""Leave out methods and calibrators that would take hours over this many classes and members."""

from collections.abc import Iterable

from pipeline.core.component import Component


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
