"""Comparison of two or more states of the pipeline on the test samples that they share."""
