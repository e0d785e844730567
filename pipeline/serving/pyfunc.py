"""The MLflow interface of the ensemble: MLflow runs this file when it loads the model."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from pipeline.serving.ensemble import Ensemble


class PackagedEnsemble(PythonModel):
    """Predicts the images in the column `image` of a table.

    Each is an encoded file, as bytes or base64 text, or an array h w or h w c of whole numbers
    0..255, or the same as nested lists. The answer is described in pipeline.serving.table.
    """

    def load_context(self, context: PythonModelContext) -> None:
        self._ensemble = Ensemble.load(Path(context.artifacts["ensemble"]))
        self._ensemble.max_pixels = context.model_config["max_pixels"]

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return one row for each image.

        Raises:
            NoImageError: not one row holds an image.
        """
        found = self._ensemble.table(list(model_input["image"]))
        if None not in found["error"]:
            first = f": {found['error'][0]}" if found["error"] else ""
            raise NoImageError(f"none of {len(model_input)} rows holds an image{first}")
        return pd.DataFrame(found, dtype=object)  # else pandas makes NaN of null


class NoImageError(MlflowException):
    """A request in which nothing is an image."""

    def __init__(self, message: str) -> None:
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)
        self._own = message

    def serialize_as_json(self) -> str:
        """Return the body of the response, without the request that MLflow puts before it."""
        return json.dumps({"error_code": self.error_code, "message": self._own})


set_model(PackagedEnsemble())
