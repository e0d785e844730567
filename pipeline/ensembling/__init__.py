"""Ensemble methods, one a file; numpy only.

`fit(params, log_probs, targets) -> weights` sees validation alone; `combine(weights, log_probs)`
applies what was fitted to any split.
"""
