"""Policies, one a file: `transforms(params, height_px, width_px) -> list` of albumentations transforms."""
