"""Augmentation by (seed, epoch, sample id) alone; the door to albumentations."""
