"""`convoy compare`: find out whether one state of the pipeline is better than another."""

from typing import Annotated

import typer

from pipeline.config.load import load_params
from pipeline.core.paths import PARAMS_FILE


def compare(
    states: Annotated[
        list[str],
        typer.Argument(help="Git revisions, DVC experiments, MLflow run ids, or `workspace`."),
    ],
    over_seeds: Annotated[
        bool,
        typer.Option(
            "--over-seeds",
            help="Compare recipes of two seeds or more, with the variance of training.",
        ),
    ] = False,
) -> None:
    """Compare the chosen ensembles of several states with the first, on the samples they share."""
    loaded = load_params(PARAMS_FILE)
    import rich
    from rich.markdown import Markdown

    from pipeline.comparison.run import run

    text, path = run(states, loaded, over_seeds=over_seeds)
    rich.print(Markdown(text))
    print(f"saved to {path}")
