"""From a source of labelled images to packed splits, their card and an audit."""
