"""Predict validation and test with one soup, as `predict` does with a member."""

from pipeline.stage import run
from stages.predict import main

if __name__ == "__main__":
    run("predict_soup", main)
