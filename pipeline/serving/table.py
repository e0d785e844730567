"""The predictions of a deployed ensemble as a table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.core.kind import Kind
from pipeline.ensembling.conformal import PredictionSets
from pipeline.ensembling.decisions import Decision


def tabulate(
    predictions: np.ndarray,
    kind: Kind,
    names: Sequence[str],
    decision: Decision,
    sets: PredictionSets | None = None,
) -> pd.DataFrame:
    """Return one row for each image, with the decision first.

    - classes: `class`, `prediction_set`, a list of the classes that come into question, and the
      probability of each class under its name;
    - labels: `labels`, a list, and the probability of each label under its name;
    - values: each value under its name, with NAME_low and NAME_high around it.

    Args:
        predictions: calibrated, see pipeline.ensembling.prediction_type.
    """
    if kind == "values":
        return _with_intervals(predictions, names, np.array(decision.half_widths))
    probs = np.exp(predictions[..., 1] if kind == "labels" else predictions)
    table = pd.DataFrame(probs, columns=list(names))
    decided = decision(predictions)
    if kind == "labels":
        table.insert(0, "labels", [list(np.array(names)[row]) for row in decided])
    else:
        table.insert(0, "class", [names[i] for i in decided])
    if sets is not None:
        inside = sets(predictions)
        table.insert(1, "prediction_set", [list(np.array(names)[row]) for row in inside])
    return table


def _with_intervals(
    values: Float[np.ndarray, "n t"], names: Sequence[str], half_widths: Float[np.ndarray, " t"]
) -> pd.DataFrame:
    parts = {"": values, "_low": values - half_widths, "_high": values + half_widths}
    columns = {
        f"{name}{end}": made[:, i] for i, name in enumerate(names) for end, made in parts.items()
    }
    return pd.DataFrame(columns)
