"""The ensemble packaged as an MLflow model."""
