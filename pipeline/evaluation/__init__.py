"""Metrics with intervals, comparisons and pictures, from predictions alone."""
