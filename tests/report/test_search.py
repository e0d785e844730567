"""The drawings of a search whose trials do not all have the same axes."""

from pathlib import Path

from pipeline.report.blocks import Figures
from pipeline.report.findings import Findings
from pipeline.report.plot import Plot
from pipeline.report.sections.search import section
from tests.report.make_findings import params, table, write

AXES = ("model.name", "model.convs_per_block", "model.widths", "training.lr")
TRIALS = [
    ("0", "COMPLETE", 6, 0.3, "cnn", 1, "", 0.01),
    ("1", "COMPLETE", 6, 0.2, "resnet", "", "[8, 16]", 0.02),
    ("2", "COMPLETE", 6, 0.4, "resnet", "", "[16, 32]", 0.03),
    ("3", "FAIL", 1, "", "lenet", "", "", 0.04),
]


def test_a_trial_is_a_line_through_the_axes_that_it_has_searched(tmp_path: Path) -> None:
    layout = write(tmp_path)
    heading = ("trial", "state", "epochs", "val_log_loss", *AXES)
    table(layout.search("cnn") / "trials.csv", heading, TRIALS)
    shown = section(Findings(layout, params("classes")))
    assert shown
    plots = {
        plot.name: plot
        for block in shown.blocks
        if isinstance(block, Figures)
        for plot in block.drawings
        if isinstance(plot, Plot)
    }
    lines = plots["search_cnn_parallel"].lines
    places = [[x for x, _ in line.points] for line in lines]
    assert places == [[0, 1, 3, 4], [0, 2, 3, 4], [0, 2, 3, 4]]
    assert lines[-1].look == "ensemble"  # the chosen one, drawn over the others
    widths = plots["search_cnn_model.widths"]
    assert len(widths.marks) == 2
    assert widths.x.names == ("[16, 32]", "[8, 16]")
