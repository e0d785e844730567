"""Losses, one a file: `build(params, class_weights) -> (logits, targets) -> scalar`.

`ACTIVATIONS` names what the loss reads logits as: `softmax`, one logit a class of which one is
right; `sigmoid`, each logit yes or no; `identity`, standardised values. A task declares its own
`ACTIVATION`, and params.yaml may pair the two where they agree.

The loss of a batch is the mean of the losses of its halves: two devices end where one does.
"""
