"""Write what a comparison found as Markdown, for MLflow, a terminal or a model card."""

from collections.abc import Iterable, Sequence
from typing import Any


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a `|` within a cell is escaped."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def sentence(text: str) -> str:
    """Return a clause as a sentence: with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def figure(estimate: dict[str, Any] | None) -> str:
    """Return an estimate, as JSON holds it, with its interval if it has one."""
    if estimate is None:
        return "–"
    value, low, high = (estimate.get(key) for key in ("value", "low", "high"))
    has_interval = low is not None and high is not None
    return f"{value:.4f} [{low:.4f}, {high:.4f}]" if has_interval else f"{value:.4f}"


def systems(compared: dict[str, Any], packaged: str = "") -> str:
    """Return the systems of `comparison.json` with intervals, the chosen and the best member first.

    Args:
        compared: the content of `comparison.json`.
        packaged: the system to mark as this model, and to put first; empty for none.
    """
    found, chosen = compared["systems"], compared["chosen"]
    further = [m for m in ("log_loss",) if m in found[chosen] and m != compared["headline"]]
    metrics = [compared["headline"], *further]
    best = compared["best_member"]
    named = {best: " (best member)", chosen: " (chosen)", packaged: " (this model)"}
    return table(
        ["system", *(metric.replace("_", " ") for metric in metrics)],
        (
            [f"{name}{named.get(name, '')}", *(figure(found[name].get(m)) for m in metrics)]
            for name in dict.fromkeys([packaged or chosen, chosen, best, *found])
        ),
    )
