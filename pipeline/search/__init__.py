"""Settings chosen by an Optuna study; the door to optuna."""
