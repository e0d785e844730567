"""Plots of an evaluation: tables for `dvc plots`, and the same data as pictures."""

from collections.abc import Collection, Sequence
from pathlib import Path

from pipeline.evaluation import curves, tables
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.contributions import Size
from pipeline.evaluation.diversity import Diversity
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.frontier import Priced
from pipeline.evaluation.histories import Epoch
from pipeline.evaluation.outputs import SystemOutput


def of_system(
    folder: Path, evaluator: Evaluator, outputs: SystemOutput, title: str, num_bins: int
) -> None:
    """Write the plots of one system; there are none for values.

    Args:
        num_bins: the number of bins of the reliability diagram.
    """
    from pipeline.evaluation.pictures import outputs as pictures  # matplotlib takes 0.4 s to import

    targets, names = evaluator.targets, evaluator.names
    if evaluator.kind == "values":
        return
    for name, points in (
        ("roc", curves.roc(outputs, targets, names)),
        ("precision_recall", curves.precision_recall(outputs, targets, names)),
    ):
        if points:
            tables.write(folder / f"{name}.csv", points)
            pictures.thresholds(folder / f"{name}.png", points)
    confidence = evaluator.confidence
    bins = curves.reliability(outputs, targets, names, num_bins=num_bins, confidence=confidence)
    tables.write(folder / "reliability.csv", bins)
    pictures.reliability(folder / "reliability.png", bins, title)
    if evaluator.kind == "classes":
        pairs = zip(targets, outputs.decided, strict=True)
        rows = [{"actual": names[true], "predicted": names[answer]} for true, answer in pairs]
        tables.write(folder / "confusion.csv", rows)
        pictures.confusion(folder / "confusion.png", outputs.decided, targets, names, title)


def of_systems(
    folder: Path,
    comparison: Comparison,
    headline: str,
    ensembles: Collection[str],
    priced: Sequence[Priced],
    sizes: Sequence[Size],
    pairs: Sequence[Diversity],
) -> None:
    """Write the plots that compare all systems."""
    from pipeline.evaluation.pictures import systems as pictures

    own = {name: estimates[headline] for name, estimates in comparison.systems.items()}
    pictures.systems(folder / "systems.png", own, ensembles, headline)
    pictures.cost(folder / "cost.png", priced, ensembles, headline)
    pictures.sizes(folder / "sizes.png", sizes, headline)
    pictures.diversity(folder / "diversity.png", pairs)


def of_training(folder: Path, epochs: Sequence[Epoch], monitor: str) -> None:
    """Write the learning curves of the members."""
    from pipeline.evaluation.pictures import training as pictures

    column = monitor.replace("/", "_")
    rows = [{"member": e.member, "epoch": e.epoch, column: e.figure} for e in epochs]
    tables.write(folder / "learning_curves.csv", rows)
    pictures.learning_curves(folder / "learning_curves.png", epochs, monitor)
