"""Decode, resize and store images."""
