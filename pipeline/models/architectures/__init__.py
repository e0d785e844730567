"""Architectures, one per file; `build(params, input_shape, num_outputs)` returns the network."""
