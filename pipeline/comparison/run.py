"""The command `compare`: it turns the names of states into a page."""

import re
import tempfile
from pathlib import Path

from pipeline.comparison.comparison import compare, load_state
from pipeline.comparison.markdown import page
from pipeline.comparison.revisions import fetch, refuse_equal, resolve
from pipeline.config.params import Params
from pipeline.core.errors import UserError
from pipeline.core.files import write_json
from pipeline.core.paths import Layout


def run(names: list[str], settings: Params) -> tuple[str, Path]:
    """Return the page and the path where it was written; the same content as JSON lies beside it.

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
        comparison = compare(loaded, settings)
    text = page(comparison)
    stem = "..".join(re.sub(r"[^\w.~^-]", "_", name) for name in names)
    path = Layout().compared / f"{stem}.md"
    write_json(path.with_name(f"{stem}.json"), comparison.as_json())
    path.write_text(text, encoding="utf-8")
    return text, path
