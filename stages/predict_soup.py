"""Predict validation and test with one soup, as `predict` does with a member."""

from functools import partial

from pipeline.config.load import parse_params
from pipeline.core.stage import run
from stages.predict import main

if __name__ == "__main__":
    run("predict_soup", parse_params, partial(main, name="predict_soup"))
