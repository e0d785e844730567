"""Augmentation whose pixels depend on (seed, epoch, sample id) alone; the door to albumentations."""
