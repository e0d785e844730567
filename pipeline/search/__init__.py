"""Hyperparameter search with Optuna; no other folder imports optuna.

A search is a loop over batches: `suggestions` asks the sampler for a batch of trials, `fits` run up
to the end of a rung, `pruning` decides which trials go on. All that is known of a trial lies in a
`record`, from which a search that was killed goes on.
"""
