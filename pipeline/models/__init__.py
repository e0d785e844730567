"""Networks, one a file: `build(params, shape, num_outputs)`, from n c h w floats to logits."""
