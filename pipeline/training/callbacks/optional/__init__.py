"""Callbacks that `training.callbacks` may name: one file each, with `Params` and `build`."""
