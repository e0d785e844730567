"""One Lightning fit, on one or many devices; the door to lightning and torch.distributed."""
