"""Ensemble methods, one a file; numpy, scipy and scikit-learn only.

`fit` sees validation alone; what it returns is applied to any split.

- `Params.ACTIVATIONS`: the tasks it has a form for, as in pipeline.losses.
- `APART`: whether each label of a set is fitted on its own; see pipeline.space.
- `fit(params, log_probs "m n k", targets "n") -> State`, `apply(state, log_probs) -> "n k"`: of
  distributions. A state with `weights`, one a member, needs no member whose weight is 0.
- `fit_values(params, values "m n t", targets "n t") -> State`, `apply_values(state, values) ->
  "n t"`: of standardised values; only where ACTIVATIONS names "identity".
"""
