"""`convoy promote`: decide whether the packaged model becomes the champion."""

import sys
from typing import Annotated

import typer

from pipeline.config.load import load_params
from pipeline.core.paths import PARAMS_FILE


def promote(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")
    ] = False,
) -> None:
    """Make the packaged model the champion if it surely beats the present one, else a challenger.

    Both are compared on the same test samples. The decision goes into champion.json, which git
    keeps, and from there into MLflow's registry.
    """
    loaded = load_params(PARAMS_FILE)
    from pipeline.comparison.promotion import decide
    from pipeline.tracking.champion import FILE, Standings

    found = decide(loaded)
    is_new = found.standings != Standings.load()
    verb = ("would be" if dry_run else "now") if is_new else "still"
    print(f"{verb} {found.alias}: {found.reason}")
    if dry_run:
        return
    if is_new:
        found.standings.save()
        print(f"written to {FILE}; commit it")
    _mirror()


def _mirror() -> None:
    from pipeline.tracking.failures import TrackingError
    from pipeline.tracking.mirror import Mirror

    try:
        Mirror().sync()
    except TrackingError as error:
        print(f"{error}; `convoy sync` brings the registry up to date", file=sys.stderr)
