"""Write the report: one page with all comparisons and findings, and its plots."""

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.stage import Stage, run
from pipeline.report.page import write_page


def main(stage: Stage[Params]) -> None:
    write_page(stage.inputs, stage.outputs, stage.params)


if __name__ == "__main__":
    run("report", parse_params, main)
