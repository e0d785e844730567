"""Layers that architectures are built from, apart from those of torch."""
