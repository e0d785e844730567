"""Predict validation and test with one student, as `predict` does with a member."""

import shutil

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.stage import Stage, run
from stages.predict import predicted


def main(stage: Stage[Params]) -> None:
    folder = predicted(stage, "predict_distilled")
    shutil.copytree(folder, stage.outputs.student_predictions(stage.key))


if __name__ == "__main__":
    run("predict_distilled", parse_params, main)
