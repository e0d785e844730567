"""The MLflow interface of the ensemble: MLflow runs this file when it loads the model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from pipeline.serving.ensemble import Ensemble, Raw
from pipeline.serving.table import tabulate


class PackagedEnsemble(PythonModel):
    """Predicts from raw images.

    Input: a uint8 array n h w or n h w c; or a list, or a DataFrame's `image` column, of arrays,
    encoded files as bytes (or base64 text), or paths. Output: see pipeline.serving.table.
    """

    def load_context(self, context: PythonModelContext) -> None:
        self._ensemble = Ensemble.load(Path(context.artifacts["ensemble"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: np.ndarray,  # or any of the above: MLflow passes "arrays" on unconverted
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        ensemble = self._ensemble
        predictions = ensemble.predictions(_images(model_input))
        return tabulate(predictions, ensemble.kind, ensemble.names, ensemble.decision)


def _images(model_input: Any) -> list[Raw]:
    if isinstance(model_input, pd.DataFrame):
        return list(model_input["image"])
    if isinstance(model_input, dict):
        return list(model_input["image"])
    if isinstance(model_input, np.ndarray):
        return list(model_input)
    return [np.asarray(item) if isinstance(item, list) else item for item in model_input]


set_model(PackagedEnsemble())
