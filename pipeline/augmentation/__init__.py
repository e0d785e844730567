"""Augmentation as a function of (seed, epoch, sample id) alone; the only user of albumentations."""
