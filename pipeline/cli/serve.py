"""`convoy serve`: serve the packaged model over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.paths import Layout
from pipeline.serving.limits import Limits

Option = typer.Option
LIMITS, MODEL = Limits(), Layout().model


def serve(
    model: Annotated[Path, Option(help="The folder of the packaged model.")] = MODEL,
    port: Annotated[int | None, Option(help="The port; a free one by default.")] = None,
    max_request_mib: Annotated[int, Option(min=1, help="Size of a request.")] = (
        LIMITS.max_request_mib
    ),
    max_images: Annotated[int, Option(min=1, help="Images in a request.")] = LIMITS.max_images,
    max_pixels: Annotated[int, Option(min=1, help="Pixels of an image.")] = LIMITS.max_pixels,
    timeout_s: Annotated[int, Option(min=1, help="Seconds for a request.")] = LIMITS.timeout_s,
) -> None:
    """Serve the packaged model on the loopback address: MLflow's scoring server, with limits."""
    from pipeline.core import process
    from pipeline.serving.server import serve as start

    process.exit_on_sigterm()
    start(model, port, Limits(max_request_mib, max_images, max_pixels, timeout_s))
