"""What is predicted, one task a file; numpy only, so that ensembling needs no torch.

- `KIND`: what it learns from, see pipeline.preprocessing.listing.
- `Params.ACTIVATION`: what its logits are read as, which a loss must fit; see pipeline.losses.
- `Params.MONITOR`: which of its scores early stopping, the kept epoch and a search go by; lower
  is better.
- `num_outputs(num_classes)`: how many logits the network gives.
- `predictions(logits)`: what members are compared and combined by, in float64: log-probabilities
  along the last axis, or values in their own units. Values need the mean and std of train.
- `scores(predictions, targets)`: figures a sample, whose mean training watches.
"""
