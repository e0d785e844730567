"""Policies, one per file: `transforms(params, height_px, width_px)` lists their transforms.

These are of albumentations, which `from pipeline.augmentation.backend import A` gives inside the
function. The family's tests augment images of 16 × 16 px and expect most of them to change.
"""
