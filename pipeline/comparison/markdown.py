"""A comparison as Markdown, for the terminal, a file or a pull request."""

from typing import Any

from pipeline.comparison.comparison import StateComparison
from pipeline.comparison.over_seeds import SeedsComparison
from pipeline.core.markdown import table
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.recipes import recipe_sentence


def page(comparison: StateComparison) -> str:
    """Return the page: verdicts, then metrics, then changed parameters."""
    names, said = list(comparison.systems), _verdicts(comparison)
    return _joined(names, said, _figures(comparison), comparison.changed)


def seeds_page(comparison: SeedsComparison) -> str:
    """Return the page of recipes over their seeds: verdicts, then figures, then parameters."""
    evaluator = comparison.evaluator
    corrected = f"p is corrected for all {len(comparison.pairs)} comparisons (Holm)"
    many = f"; {corrected}" if len(comparison.pairs) > 1 else ""
    rows = [
        [row.recipe, str(row.num_seeds), _cell(row.mean), f"{row.std:.4f}"]
        for row in comparison.recipes
    ]
    name = evaluator.headline.replace("_", " ")
    return _joined(
        comparison.states,
        [f"{recipe_sentence(pair, evaluator)}{many}" for pair in comparison.pairs],
        table(["recipe", "seeds", f"mean {name}", "std over seeds"], rows),
        comparison.changed,
    )


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


def _joined(
    states: list[str], said: list[str], figures: str, changed: dict[str, dict[str, Any]]
) -> str:
    parts = [f"# {' · '.join(states)}", "\n\n".join(said), figures]
    if changed:
        rows = [[key, *map(_value, own.values())] for key, own in changed.items()]
        parts += ["## Changed parameters", table(["key", *states], rows)]
    return "\n\n".join(parts) + "\n"


def _figures(comparison: StateComparison) -> str:
    names = list(comparison.systems)
    metrics = dict.fromkeys(metric for own in comparison.systems.values() for metric in own)
    rows = [
        [metric.replace("_", " "), *(_cell(comparison.systems[n].get(metric)) for n in names)]
        for metric in metrics
    ]
    return table(["metric", *names], rows)


def _cell(estimate: Estimate | None) -> str:
    return "undefined" if estimate is None else str(estimate)


def _value(value: object) -> str:
    return "" if value is None else f"`{value}`"
