"""`convoy predict`: predict image files with the packaged model."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.paths import Layout

MODEL = Layout().model


def predict(
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, or patterns such as '*.png'.")
    ],
    model: Annotated[Path, typer.Option(help="The folder of the packaged model.")] = MODEL,
    output: Annotated[
        Path | None, typer.Option(help="A .csv or .parquet file; CSV is printed by default.")
    ] = None,
) -> None:
    """Predict image files: decisions, prediction sets and probabilities, one row for each file.

    A file that is no image has a row with the reason in the column `error`.
    """
    from pipeline.serving.files import predict_files

    num_files, num_bad = predict_files(paths, model, output)
    if num_bad:
        bad = f"{num_bad:,} of {num_files:,} files are no images: see the column error"
        print(bad, file=sys.stderr)
    if num_bad == num_files:
        raise typer.Exit(1)
