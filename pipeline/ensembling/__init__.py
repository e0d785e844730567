"""Turn the predictions of members into those of ensembles, fitted on validation alone."""
