"""Calibrators, one per file: corrections of the predictions of one member or ensemble.

Their interface is that of ensemble methods, see pipeline.ensembling, without the axis of members:
`fit(params, log_probs "n k", truth) -> State`, `apply(state, log_probs) -> "n k"`, and
`fit_values`, `apply_values`, `forward`, `forward_values` likewise.
"""
