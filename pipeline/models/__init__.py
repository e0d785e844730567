"""Networks: their architectures, precision, pretrained weights and summaries."""
