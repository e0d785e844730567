"""Plots of an evaluation; the same numbers give the same bytes."""
