"""Execution of fits: each runs in a process of its own, from a file that describes it."""
