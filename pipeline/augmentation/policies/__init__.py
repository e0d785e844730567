"""Policies, one a file: `transforms(params, height_px, width_px)` lists albumentations objects."""
