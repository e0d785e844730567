"""Plots of an evaluation: tables that `dvc plots` draws, and the same as pictures."""

from collections.abc import Collection, Sequence
from pathlib import Path

from pipeline.evaluation import curves, tables
from pipeline.evaluation.answers import Answers
from pipeline.evaluation.compare import Comparison
from pipeline.evaluation.contributions import Size
from pipeline.evaluation.diversity import Diversity
from pipeline.evaluation.frontier import Priced
from pipeline.evaluation.histories import Epoch
from pipeline.evaluation.yardstick import Yardstick


def of_answers(
    folder: Path, yardstick: Yardstick, answers: Answers, title: str, num_bins: int
) -> None:
    """Of one system; none for values. `num_bins`: of the reliability."""
    from pipeline.evaluation.pictures import answers as pictures  # matplotlib takes 0.4 s to import

    targets, names = yardstick.targets, yardstick.names
    if yardstick.kind == "values":
        return
    for name, points in (
        ("roc", curves.roc(answers, targets, names)),
        ("precision_recall", curves.precision_recall(answers, targets, names)),
    ):
        if points:
            tables.write(folder / f"{name}.csv", points)
            pictures.thresholds(folder / f"{name}.png", points)
    confidence = yardstick.confidence
    bins = curves.reliability(answers, targets, names, num_bins=num_bins, confidence=confidence)
    tables.write(folder / "reliability.csv", bins)
    pictures.reliability(folder / "reliability.png", bins, title)
    if yardstick.kind == "classes":
        pairs = zip(targets, answers.decided, strict=True)
        rows = [{"actual": names[true], "predicted": names[answer]} for true, answer in pairs]
        tables.write(folder / "confusion.csv", rows)
        pictures.confusion(folder / "confusion.png", answers.decided, targets, names, title)


def of_systems(
    folder: Path,
    comparison: Comparison,
    headline: str,
    ensembles: Collection[str],
    priced: Sequence[Priced],
    sizes: Sequence[Size],
    pairs: Sequence[Diversity],
) -> None:
    """All systems beside each other."""
    from pipeline.evaluation.pictures import systems as pictures

    own = {name: estimates[headline] for name, estimates in comparison.systems.items()}
    pictures.systems(folder / "systems.png", own, ensembles, headline)
    pictures.cost(folder / "cost.png", priced, ensembles, headline)
    pictures.sizes(folder / "sizes.png", sizes, headline)
    pictures.diversity(folder / "diversity.png", pairs)


def of_training(folder: Path, epochs: Sequence[Epoch], monitor: str) -> None:
    """How the members learned."""
    from pipeline.evaluation.pictures import training as pictures

    column = monitor.replace("/", "_")
    rows = [{"member": e.member, "epoch": e.epoch, column: e.figure} for e in epochs]
    tables.write(folder / "learning_curves.csv", rows)
    pictures.learning_curves(folder / "learning_curves.png", epochs, monitor)
