"""Prediction tasks, one per file; numpy only, so that ensembling needs no torch.

- `Params.KIND`: the kind of target, see pipeline.preprocessing.listing.
- `Params.ACTIVATION`: how its logits are interpreted, which a loss must match; see pipeline.losses.
- `Params.MONITOR`: the score that early stopping, checkpoint selection and a search use; lower is
  better.
- `Params.SCORES`: the names of its scores, and whether a search is to `minimize` or `maximize` it.
- `num_outputs(num_classes)`: how many logits the network returns.
- `predictions(logits, *scale)`: the form in which members are compared and combined, in float64:
  log-probabilities along the last axis, or values in their own units.
- `scores(predictions, targets, *scale)`: per-sample metrics, whose mean training watches.

`scale` is the card's `target_scale`: the mean and std of values, and nothing for other tasks.
"""
