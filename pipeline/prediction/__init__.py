"""Predict logits of stored or given images, with the networks of one member."""
