"""Networks, one a file: `build(params, shape, num_outputs) -> nn.Module`, n c h w floats to logits."""
