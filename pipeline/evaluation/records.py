"""Comparison results for `dvc metrics`, for the tracked runs and for the terminal."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.core.files import write_json
from pipeline.core.kind import Kind
from pipeline.core.run_log import Spool
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Estimate

SHOWN: dict[Kind, tuple[str, ...]] = {
    "classes": ("accuracy", "macro_f1", "log_loss", "calibration_error"),
    "labels": ("hamming_loss", "subset_accuracy", "mean_average_precision", "log_loss"),
    "values": ("rmse", "mae", "r2", "interval_coverage"),
}
"""Metrics shown on the terminal; the files hold all of them."""


KindOf = Callable[[str], str]
"""Returns `member`, `ensemble` or `student` for the name of a system."""


def write_metrics(folder: Path, comparison: Comparison, kind_of: KindOf) -> None:
    """Write one file for each system, which `dvc metrics show` turns into one row each."""
    for name, estimates in comparison.systems.items():
        row: dict[str, float | str] = {"kind": kind_of(name)}
        for metric, estimate in estimates.items():
            row[metric] = estimate.value
            ends = f"{estimate.low:.4f} .. {estimate.high:.4f}" if estimate.has_interval else ""
            row[f"{metric}_interval"] = ends
            row["num_samples"] = estimate.num_samples
        write_json(folder / f"{name}.json", row)


def record(spool: Spool, comparison: Comparison, kind_of: KindOf) -> None:
    """Record a nested run for each system; the run itself gets the chosen ensemble and its gain."""
    for name, estimates in comparison.systems.items():
        tags = {"convoy.system": name, "convoy.kind": kind_of(name)}
        nested = spool.nested(name, {"tags": tags})
        nested.record(_flat("test", estimates))
    spool.record(_flat("test", comparison.systems[comparison.gain.first]))
    spool.record(_flat("gain_over_best_member", comparison.gain.differences))
    spool.record({"gain_over_best_member/p": comparison.gain.p})


def show(
    comparison: Comparison, evaluator: Evaluator, kind_of: KindOf, notes: Sequence[str]
) -> None:
    """Print the comparison on the terminal, the best system first."""
    from rich.console import Console
    from rich.table import Table

    shown = SHOWN[evaluator.kind]
    table = Table("system", *(metric.replace("_", " ") for metric in shown), box=None)
    better = 1 if evaluator.headline_metric.higher_is_better else -1
    systems = comparison.systems.items()
    for name, row in sorted(systems, key=lambda item: -better * item[1][evaluator.headline].value):
        kind = kind_of(name)
        label = name if kind == "member" else f"{name} ({kind})"
        table.add_row(label, *(_cell(row.get(metric)) for metric in shown))
    console = Console(width=None if Console().is_terminal else 140)
    console.print(table)
    for sentence in (comparison.verdict, comparison.resolved, *notes):
        console.print(sentence, highlight=False, soft_wrap=True)


def _cell(estimate: Estimate | None) -> str:
    return "–" if estimate is None else str(estimate)


def _flat(prefix: str, estimates: dict[str, Estimate]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for metric, estimate in estimates.items():
        flat[f"{prefix}/{metric}"] = estimate.value
        if estimate.has_interval:
            flat[f"{prefix}/{metric}_low"] = estimate.low
            flat[f"{prefix}/{metric}_high"] = estimate.high
    return flat
