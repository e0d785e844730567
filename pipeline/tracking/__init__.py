"""The mirror of runs in MLflow, filled from the artifacts alone."""

import os

# MLflow reads them when it is imported, or at each call.
os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true",
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",  # of each run that ends
    # A dead server must cost seconds only: by default one call may block for minutes.
    MLFLOW_HTTP_REQUEST_MAX_RETRIES=os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
    MLFLOW_HTTP_REQUEST_TIMEOUT=os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "5"),
    AWS_MAX_ATTEMPTS=os.environ.get("AWS_MAX_ATTEMPTS", "2"),
)
