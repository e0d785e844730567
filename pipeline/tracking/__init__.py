"""The MLflow mirror of what the stages spool; the door to mlflow is `store`."""
