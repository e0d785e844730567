"""Two or more states of the pipeline, compared on the test samples that they share."""
