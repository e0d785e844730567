"""`convoy latency`: time members, students and the chosen ensemble on this machine."""

from typing import Annotated

import typer

from pipeline.config.load import load_params
from pipeline.core.paths import PARAMS_FILE


def latency(
    num_rounds: Annotated[
        int, typer.Option(min=5, help="The number of timings of each system.")
    ] = 50,
) -> None:
    """Time members, students and the chosen ensemble on this machine, for 1 image and for 64."""
    loaded = load_params(PARAMS_FILE)
    from pipeline.core.paths import Layout
    from pipeline.evaluation import tables
    from pipeline.serving.latency import latencies

    found = latencies(Layout(), loaded, num_rounds)
    tables.write(Layout().latency, found)
    for row in found:
        took = row.median_ms
        interval = f"[{took.low:.2f}, {took.high:.2f}]"
        noun = "image " if row.batch_size == 1 else "images"
        print(f"{row.system:20}  {row.batch_size:3} {noun}  {took.value:8.2f} ms {interval}")
    print(f"medians of {num_rounds}, {loaded.evaluation.confidence:.0%} intervals")
