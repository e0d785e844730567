"""The MLflow interface of the ensemble: MLflow runs this file when it loads the model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from pipeline.serving.ensemble import Ensemble
from pipeline.serving.inputs import images_in
from pipeline.serving.table import tabulate


class PackagedEnsemble(PythonModel):
    """Predicts from raw images.

    Input: one image, or several in a list or in a DataFrame's `image` column; an image is an array
    h w or h w c of uint8, an encoded file as bytes or base64 text, or a path. An array n h w c
    holds several images, and so does n h w unless its last axis has 1, 3 or 4 entries. Output: see
    pipeline.serving.table.
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
        predictions = ensemble.predictions(images_in(model_input))
        return tabulate(
            predictions, ensemble.kind, ensemble.names, ensemble.decision, ensemble.sets
        )


set_model(PackagedEnsemble())
