"""Ensemble methods, one per file; they are fitted with numpy, scipy and scikit-learn only.

`fit` sees validation alone; the state that it returns, a dict of arrays, is applied to any split.
What `apply` returns is finite and normalised. Of labels, the two outcomes are absent and present.

- `Params.ACTIVATIONS`: the tasks that it supports, as in pipeline.losses.
- `PER_LABEL`: whether each label is fitted separately; see prediction_type.py.
- `fit(params, log_probs "m n k", truth) -> State`, `apply(state, log_probs) -> "n k"`: for
  distributions. A state with `weights`, one per member, needs no member whose weight is 0.
- `fit_values(params, values "m n t", truth) -> State`, `apply_values(state, values) ->
  "n t"`: for standardised values; only if ACTIVATIONS names "identity".
- `forward(state, log_probs)`, `forward_values(state, values)`: what `apply` and `apply_values` do,
  with torch's operations on float64 tensors, as ONNX needs them. Without them the method is refused
  where `serving.onnx` is true.
"""
