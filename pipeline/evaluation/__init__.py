"""Metrics with intervals, comparisons and curves, computed from predictions alone."""
