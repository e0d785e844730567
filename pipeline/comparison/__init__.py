"""Comparison of states of the pipeline: of two or more, with the champion, with a repetition."""
