"""Show what was compared and found, on one page."""

from pipeline.report.page import write_page
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    write_page(stage.outputs.report, stage.inputs, stage.params)


if __name__ == "__main__":
    run("report", main)
