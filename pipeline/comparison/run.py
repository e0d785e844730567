"""The command `compare`: it turns the names of states into a page."""

import re
import tempfile
from pathlib import Path

from pipeline.comparison.comparison import compare, load_state
from pipeline.comparison.markdown import page, seeds_page
from pipeline.comparison.over_seeds import compare_over_seeds
from pipeline.comparison.revisions import fetch, refuse_equal, resolve
from pipeline.config.params import Params
from pipeline.core.errors import UserError
from pipeline.core.files import write_json
from pipeline.core.paths import Layout


def run(names: list[str], settings: Params, *, over_seeds: bool) -> tuple[str, Path]:
    """Return the page and the path where it was written; the same content as JSON lies beside it.

    Args:
        over_seeds: compare the recipes of the states over their seeds, and not the ensembles.

    Raises:
        UserError: one name, the same name twice, or states that cannot be compared.
    """
    if len(set(names)) < max(len(names), 2):
        raise UserError(
            f"compare: got {' '.join(names)}; allowed two or more different states, such as "
            "`HEAD~1 workspace`"
        )
    states = [resolve(name, settings.tracking.experiment) for name in names]
    with tempfile.TemporaryDirectory() as scratch:
        folders = [fetch(state, Path(scratch) / f"{i}") for i, state in enumerate(states)]
        refuse_equal(states, folders)
        loaded = [load_state(s.name, f) for s, f in zip(states, folders, strict=True)]
        if over_seeds:
            of_recipes = compare_over_seeds(loaded, settings)
            text, tree = seeds_page(of_recipes), of_recipes.as_json()
        else:
            comparison = compare(loaded, settings)
            text, tree = page(comparison), comparison.as_json()
    stem = "..".join(re.sub(r"[^\w.~^-]", "_", name) for name in names)
    stem += "-over-seeds" if over_seeds else ""
    path = Layout().compared / f"{stem}.md"
    write_json(path.with_name(f"{stem}.json"), tree)
    path.write_text(text, encoding="utf-8")
    return text, path
