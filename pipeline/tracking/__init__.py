"""The MLflow mirror; `spool` is light, everything that imports mlflow stands behind `store`."""
