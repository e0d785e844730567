"""What is predicted, one task a file; numpy only, so that ensembling needs no torch.

- `Params.KIND`: what it learns from, see pipeline.preprocessing.listing.
- `Params.ACTIVATION`: what its logits are read as, which a loss must fit; see pipeline.losses.
- `Params.MONITOR`: which of its scores early stopping, the kept epoch and a search go by; lower
  is better.
- `num_outputs(num_classes)`: how many logits the network gives.
- `predictions(logits, *scale)`: what members are compared and combined by, in float64:
  log-probabilities along the last axis, or values in their own units.
- `scores(predictions, targets, *scale)`: figures a sample, whose mean training watches.

`scale` is the card's `target_scale`: the mean and std of values, and nothing for other tasks.
"""
