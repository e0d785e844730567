"""Losses, one a file: `build(params) -> (logits, targets) -> scalar`."""
