"""The report as one page that opens offline; the same numbers give the same bytes."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.config.params import Params
from pipeline.core.paths import Layout
from pipeline.report import plot, wording
from pipeline.report.bars import scale
from pipeline.report.findings import Findings
from pipeline.report.sections import (
    cost,
    data,
    differences,
    diversity,
    errors,
    per_class,
    probabilities,
    reproduce,
    robustness,
    search,
    slices,
    systems,
    training,
)

TEMPLATES = Path(__file__).parent / "templates"
SECTIONS = (
    systems, differences, diversity, cost, probabilities, per_class, slices, errors, robustness,
    training, search, data, reproduce,
)  # fmt: skip


def write_page(path: Path, inputs: Layout, params: Params) -> None:
    """Write the report on the outputs of all other stages, without empty sections."""
    findings = Findings(inputs, params)
    made = [module.section(findings) for module in SECTIONS]
    text = (
        _environment()
        .get_template("page.html")
        .render(
            findings=findings,
            sections=[section for section in made if section],
            gain=findings.gain,
            gain_scale=scale("gain", [findings.gain], marks_zero=True),
            plot=plot,
            wording=wording,
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["inlined"] = lambda name: Markup((TEMPLATES / name).read_text())
    return environment
