"""Turn a source of labelled images into packed splits, their card and an audit."""
