"""Losses, one per file: `build(params, class_weights) -> (logits, targets) -> scalar`.

`ACTIVATIONS` names how the loss interprets logits: `softmax`, one logit per class, of which one is
correct; `sigmoid`, each logit yes or no; `identity`, standardised values. A task declares its own
`ACTIVATION`, and params.yaml may combine a task and a loss if the two agree.

The loss of a batch is the mean of the losses of its halves, so two devices give the result of one.
"""
