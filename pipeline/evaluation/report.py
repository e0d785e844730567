"""A comparison as tables, pictures, runs and a line on the terminal."""

import csv
from pathlib import Path

import numpy as np

from pipeline.artifacts import Layout, write_json
from pipeline.evaluation.compare import Comparison, confusion_counts
from pipeline.evaluation.intervals import Estimate
from pipeline.spool import Spool


def write_metrics(folder: Path, comparison: Comparison, ensembles: set[str]) -> None:
    """One file a system, which `dvc metrics show` turns into one row each."""
    for name, estimates in comparison.systems.items():
        row: dict[str, float | str] = {"kind": "ensemble" if name in ensembles else "member"}
        for metric, estimate in estimates.items():
            row[metric] = estimate.value
            row[f"{metric}_interval"] = f"{estimate.low:.4f} .. {estimate.high:.4f}"
            row["num_samples"] = estimate.num_samples
        write_json(folder / f"{name}.json", row)


def write_confusion(
    folder: Path, log_probs: np.ndarray, targets: np.ndarray, classes: list[str], system: str
) -> None:
    """A row a test sample for `dvc plots`, and a picture."""
    from pipeline.evaluation import pictures  # matplotlib takes 0.4 s to import

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "confusion.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["actual", "predicted"])
        predicted = log_probs.argmax(axis=1)
        table.writerows([classes[t], classes[p]] for t, p in zip(targets, predicted, strict=True))
    counts = confusion_counts(log_probs, targets)
    pictures.confusion(folder / "confusion.png", counts, classes, f"{system} on test")


def histories(inputs: Layout, members: list[str]) -> dict[str, Path]:
    """The training history of every member; of every fold of it, where there are several."""
    found: dict[str, Path] = {}
    for member in members:
        paths = sorted(inputs.member(member).glob("fold_*/history.csv"))
        names = [f"{member} {path.parent.name.replace('_', ' ')}" for path in paths]
        found |= dict(zip(names if len(paths) > 1 else [member], paths, strict=True))
    return found


def write_learning_curves(folder: Path, histories: dict[str, Path]) -> None:
    """Every member's figures by epoch, long, for `dvc plots`; and a picture."""
    from pipeline.evaluation import pictures

    tables = {member: _read_table(path) for member, path in histories.items()}
    with (folder / "learning_curves.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["member", "epoch", "val_log_loss"])
        for member, rows in tables.items():
            table.writerows([member, int(row["epoch"]), row["val/log_loss"]] for row in rows)
    pictures.learning_curves(folder / "learning_curves.png", tables, "val/log_loss")


def write_systems(folder: Path, comparison: Comparison, ensembles: set[str]) -> None:
    """Accuracy and its interval, all systems beside each other."""
    from pipeline.evaluation import pictures

    accuracy = {name: estimates["accuracy"] for name, estimates in comparison.systems.items()}
    pictures.systems(folder / "systems.png", accuracy, ensembles, "accuracy")


def record(spool: Spool, comparison: Comparison, ensembles: set[str]) -> None:
    """A nested run a system; the run itself holds the chosen ensemble and its gain."""
    for name, estimates in comparison.systems.items():
        kind = "ensemble" if name in ensembles else "member"
        nested = spool.nested(name, {"tags": {"convoy.system": name, "convoy.kind": kind}})
        nested.record(_flat("test", estimates))
    spool.record(_flat("test", comparison.systems[comparison.chosen]))
    spool.record(_flat("gain_over_best_member", comparison.differences))


def show(comparison: Comparison, ensembles: set[str]) -> None:
    """The comparison on the terminal, best first by accuracy."""
    from rich.console import Console
    from rich.table import Table

    metrics = list(comparison.differences)
    table = Table("system", *(metric.replace("_", " ") for metric in metrics), box=None)
    systems = comparison.systems.items()
    for name, row in sorted(systems, key=lambda item: -item[1]["accuracy"].value):
        label = f"{name} (ensemble)" if name in ensembles else name
        table.add_row(label, *(_cell(row[metric]) for metric in metrics))
    console = Console(width=None if Console().is_terminal else 120)
    console.print(table)
    console.print(comparison.verdict, highlight=False)


def _cell(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


def _flat(prefix: str, estimates: dict[str, Estimate]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for metric, estimate in estimates.items():
        flat[f"{prefix}/{metric}"] = estimate.value
        flat[f"{prefix}/{metric}_low"] = estimate.low
        flat[f"{prefix}/{metric}_high"] = estimate.high
    return flat


def _read_table(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
