"""Calibrators, one a file: what is done to the predictions of one member or ensemble.

As ensemble methods, see pipeline.ensembling, but without the axis of members: `fit(params,
log_probs "n k", targets "n") -> State`, `apply(state, log_probs) -> "n k"`, and `fit_values`,
`apply_values` likewise.
"""
