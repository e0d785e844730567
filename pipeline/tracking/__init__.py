"""The MLflow mirror of what the stages record; only `store` imports mlflow."""
