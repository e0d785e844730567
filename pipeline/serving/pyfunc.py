"""The MLflow face of the ensemble: MLflow runs this file when it loads the model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from pipeline.serving.ensemble import Ensemble, Raw


class PackagedEnsemble(PythonModel):
    """Predicts from raw images.

    Input: a uint8 array n h w or n h w c; or a list, or a DataFrame's `image` column, of arrays,
    encoded files as bytes (or base64 text), or paths. Output: a DataFrame with the column
    `class` and a column of probability for each class name.
    """

    def load_context(self, context: PythonModelContext) -> None:
        self._ensemble = Ensemble.load(Path(context.artifacts["ensemble"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: np.ndarray,  # or any of the above: MLflow passes "arrays" on unconverted
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        probs = self._ensemble.probs(_images(model_input))
        classes = self._ensemble.classes
        table = pd.DataFrame(probs, columns=list(classes))
        table.insert(0, "class", [classes[i] for i in probs.argmax(axis=1)])
        return table


def _images(model_input: Any) -> list[Raw]:
    if isinstance(model_input, pd.DataFrame):
        return list(model_input["image"])
    if isinstance(model_input, dict):
        return list(model_input["image"])
    if isinstance(model_input, np.ndarray):
        return list(model_input)
    return [np.asarray(item) if isinstance(item, list) else item for item in model_input]


set_model(PackagedEnsemble())
