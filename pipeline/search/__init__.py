"""Hyperparameter search with Optuna; no other folder imports optuna."""
