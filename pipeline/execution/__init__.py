"""Execution of fits: each runs in a process of its own, from a file that describes it.

Where and how many at once is the engine's business, and changes no bit of any result. So no stage
depends on this folder: it carries work and computes nothing.
"""
