"""The report as one page that opens offline, and its plots as files.

The same numbers give the same bytes.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.config.params import Params
from pipeline.core.paths import Layout
from pipeline.report import matrix, plot, wording
from pipeline.report.bars import scale
from pipeline.report.blocks import Figures
from pipeline.report.colours import COLOURS, LINES
from pipeline.report.findings import Findings
from pipeline.report.matrix import Matrix
from pipeline.report.plot import Plot
from pipeline.report.sections import (
    advice,
    cost,
    data,
    differences,
    diversity,
    errors,
    per_class,
    prediction_sets,
    probabilities,
    recipes,
    reproduce,
    robustness,
    search,
    slices,
    students,
    systems,
    training,
)

MARGIN_PX, TOP_PX = 10, 30  # around a plot in a file, and above it, where its title stands
TITLE_PX = 7.4  # of one character
TEMPLATES = Path(__file__).parent / "templates"
SECTIONS = (
    systems, students, differences, recipes, diversity, advice, cost, probabilities, per_class,
    prediction_sets, slices, errors, robustness, training, search, data, reproduce,
)  # fmt: skip


def write_page(inputs: Layout, outputs: Layout, params: Params) -> None:
    """Write the report on the outputs of all other stages, and each of its plots as a file."""
    findings, environment = Findings(inputs, params), _environment()
    made = [module.section(findings) for module in SECTIONS]
    sections = [section for section in made if section]
    text = environment.get_template("page.html").render(
        findings=findings,
        sections=sections,
        gain=findings.gain,
        gain_scale=scale("gain", [findings.gain], marks_zero=True),
        wording=wording,
        palette=COLOURS,
        colours={name: f"var(--{name})" for name in COLOURS},
        lines=[f"light-dark({line.light}, {line.dark})" for line in LINES],
    )
    outputs.report.parent.mkdir(parents=True, exist_ok=True)
    outputs.report.write_text(text, encoding="utf-8")
    blocks = [block for section in sections for block in section.blocks]
    drawings = [d for block in blocks if isinstance(block, Figures) for d in block.drawings]
    outputs.plots.mkdir(parents=True, exist_ok=True)
    for drawn in drawings:
        text = _alone(environment, drawn)
        (outputs.plots / f"{drawn.name}.svg").write_text(text, encoding="utf-8")


def _alone(environment: Environment, drawn: Plot | Matrix) -> str:
    """Return a drawing on light paper, with its title, as a file of its own."""
    title_px = round(TITLE_PX * len(drawn.title))
    return environment.get_template("file.svg").render(
        drawn=drawn,
        width=max(drawn.width, title_px) + 2 * MARGIN_PX,
        height=drawn.height + TOP_PX + MARGIN_PX,
        margin=MARGIN_PX,
        top=TOP_PX,
        colours={name: colour.light for name, colour in COLOURS.items()},
        lines=[line.light for line in LINES],
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"plot": plot, "matrix": matrix}
    return environment
