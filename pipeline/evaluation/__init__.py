"""Metrics with intervals, comparisons and plots, computed from predictions alone."""
