"""Inspection of errors and robustness, which needs images and networks."""
