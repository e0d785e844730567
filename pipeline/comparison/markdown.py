"""A comparison as Markdown, for the terminal, a file or a pull request."""

from collections.abc import Sequence

from pipeline.comparison.comparison import StateComparison
from pipeline.evaluation.intervals import Estimate


def page(comparison: StateComparison) -> str:
    """Return the page: verdicts, then metrics, then changed parameters."""
    names = list(comparison.systems)
    parts = [f"# {' · '.join(names)}", "\n\n".join(_verdicts(comparison)), _figures(comparison)]
    if comparison.changed:
        rows = [[key, *map(_value, own.values())] for key, own in comparison.changed.items()]
        parts += ["## Changed parameters", _table(["key", *names], rows)]
    return "\n\n".join(parts) + "\n"


def _verdicts(comparison: StateComparison) -> list[str]:
    many = len(comparison.verdicts) > 1
    corrected = f"; p is corrected for all {len(comparison.verdicts)} comparisons (Holm)"
    found = [
        f"{verdict}{corrected if many else ''}; {resolved}"
        for verdict, resolved in zip(comparison.verdicts, comparison.resolved, strict=True)
    ]
    left_out = [f"{num:,} of {name}" for name, num in comparison.left_out.items() if num]
    if left_out:
        found.append(f"Left out, as the others lack them: {', '.join(left_out)}.")
    return found


def _figures(comparison: StateComparison) -> str:
    names = list(comparison.systems)
    metrics = dict.fromkeys(metric for own in comparison.systems.values() for metric in own)
    rows = [
        [metric.replace("_", " "), *(_cell(comparison.systems[n].get(metric)) for n in names)]
        for metric in metrics
    ]
    return _table(["metric", *names], rows)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return "undefined"
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


def _value(value: object) -> str:
    return "" if value is None else f"`{value}`"
