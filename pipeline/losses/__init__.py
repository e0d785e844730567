"""Losses, one per file: `build(params, class_weights) -> (logits, targets) -> scalar`.

`ACTIVATIONS` names how the loss interprets logits: `softmax`, one logit per class, of which one is
correct; `sigmoid`, each logit yes or no; `identity`, standardised values. A task declares its own
`ACTIVATION`, and params.yaml may combine a task and a loss if the two agree.

`SOFT_TARGETS = True` says that targets may be the predictions of another network, probabilities or
values, and that the loss is lowest where its own predictions equal them.

The loss of a batch is the mean of the losses of its halves, so two devices give the result of one.
It is computed in at least fp32 and divided by the number of samples, not by the sum of their
weights: `losses/shared` has `widened`, `weighted_mean` and `sample_weights` for that.
"""
