"""Convoy's own callbacks, which a recipe may name, one per file: they only watch a fit.

`build(params)` returns a callback for Lightning's Trainer. No stage depends on these files: the
tests show that a fit with one of them ends with the same weights.
"""
