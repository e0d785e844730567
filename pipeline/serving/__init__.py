"""The ensemble as an MLflow model."""
