"""The model card: what the packaged ensemble is for, how good it is, and where it is not.

M. Mitchell et al., Model Cards for Model Reporting, 2019.
"""

from pathlib import Path
from typing import Any

from pipeline.core.artifacts import Card
from pipeline.core.files import read_json
from pipeline.core.kind import Kind
from pipeline.core.markdown import figure, sentence, systems, table
from pipeline.core.paths import Layout
from pipeline.evaluation.prediction_sets import ALL
from pipeline.evaluation.tables import Row, read

FILE = "model_card.md"
MOST_CLASSES, MOST_PAIRS = 30, 5
PURPOSES = {
    "classes": "It decides which one of {num} classes an image shows: {names}.",
    "labels": "It decides which of {num} labels apply to an image: {names}.",
    "values": "It predicts these values from an image: {names}.",
}


def model_card(inputs: Layout, name: str, members: tuple[str, ...]) -> str:
    """Return the card in Markdown.

    Args:
        name: the packaged system: the chosen ensemble, or a student of it.
        members: the networks that it combines.
    """
    card, compared = Card.load(inputs.card), read_json(inputs.comparison)
    rows = read(inputs.tables / "students.csv")
    taught = [row["said"] for row in rows if row["student"] == name]
    parts = {
        f"Model card: {name}": _purpose(card, compared, members, taught),
        "Figures": _figures(compared, name, is_student=bool(taught)),
        "Where it is weaker": _weaknesses(inputs.tables, name, is_student=bool(taught)),
        "Prediction sets": _sets(inputs.tables, name, is_student=bool(taught)),
        "Data": _data(card, compared["kind"]),
        "Limits": _limits(compared),
        "How to reproduce it": (
            "The model's version in MLflow and the run that made it name the commit. "
            "`convoy reproduce COMMIT` runs the pipeline of that commit again and compares every "
            "output and every figure."
        ),
    }
    marks = ("#", *["##"] * len(parts))
    found = [(title, text) for title, text in parts.items() if text]
    pages = (
        f"{mark} {title}\n\n{text}\n" for mark, (title, text) in zip(marks, found, strict=False)
    )
    return "\n".join(pages)


def _purpose(
    card: Card, compared: dict[str, Any], members: tuple[str, ...], taught: list[str]
) -> str:
    shown = ", ".join(card.classes[:MOST_CLASSES])
    names = f"{shown}, …" if len(card.classes) > MOST_CLASSES else shown
    height, width, channels = card.image_shape
    learned = f" It has learned from the ensemble {compared['chosen']}." if taught else ""
    return "\n\n".join([
        PURPOSES[compared["kind"]].format(num=len(card.classes), names=names),
        f"{_made_of(members)}{learned} Images are brought to "
        f"{height} by {width} pixels {'in grey' if channels == 1 else 'in colour'} "
        f"({'cropped' if card.fit == 'crop' else 'padded'} where their aspect ratio differs).",
        f"**{' '.join(map(sentence, taught or [compared['verdict']]))}**",
    ])  # fmt: skip


def _made_of(members: tuple[str, ...]) -> str:
    if len(members) == 1:
        return f"It is one network, {members[0]}."
    return f"It combines {len(members)} networks ({', '.join(members)})."


def _figures(compared: dict[str, Any], name: str, *, is_student: bool) -> str:
    own = compared["systems"][name]
    rows = [[name.replace("_", " "), figure(estimate)] for name, estimate in own.items()]
    return "\n\n".join([
        f"On {compared['num_samples']:,} test images, which took part in no choice, with "
        f"{compared['confidence']:.0%} intervals where there are any:",
        table(["metric", "value"], rows),
        "Beside the other systems:",
        systems(compared, name if is_student else ""),
        # What these samples can resolve is said of the ensemble and the best member.
        *([] if is_student else [sentence(compared["resolved"])]),
    ])  # fmt: skip


def _rows(tables: Path, table: str, name: str, *, is_student: bool) -> list[Row]:
    """Return what a table says about the packaged system."""
    if not is_student:
        return read(tables / f"{table}.csv")
    return [row for row in read(tables / f"student_{table}.csv") if row["system"] == name]


def _weaknesses(tables: Path, name: str, *, is_student: bool) -> str:
    found = _rows(tables, "slices", name, is_student=is_student)
    weak = [row for row in found if row["is_weak"] == "True"]
    lines = [
        f"- {row['column']} {row['part']}: {float(row['figure']):.4f} "
        f"[{float(row['figure_low']):.4f}, {float(row['figure_high']):.4f}] on "
        f"{row['num_samples']} images"
        for row in weak
    ]
    pairs = [
        f"- {row['true']} predicted as {row['predicted']}: {row['count']} of {row['num_true']} "
        "images"
        for row in _rows(tables, "confused_pairs", name, is_student=is_student)[:MOST_PAIRS]
    ]
    return "\n".join([
        *(lines or ["No part of the test images is shown to be weaker than the others."]),
        *(["", "The decisions that are wrong most often:", "", *pairs] if pairs else []),
    ])  # fmt: skip


def _sets(tables: Path, name: str, *, is_student: bool) -> str:
    rows = _rows(tables, "prediction_sets", name, is_student=is_student)
    used = [row for row in rows if row["is_used"] == "True" and row["name"] == ALL]
    return "\n".join(
        f"They contain the true class of {_percent(row, 'coverage')} of the test images, and hold "
        f"{float(row['mean_size']):.2f} classes on average; {_percent(row, 'single')} hold a "
        "single one."
        for row in used
    )


def _percent(row: Row, name: str) -> str:
    """Return a share with its interval, where there is one."""
    value, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
    ends = f" [{float(low):.1%}, {float(high):.1%}]" if low and high else ""
    return f"{float(value):.1%}{ends}"


def _data(card: Card, kind: Kind) -> str:
    splits = card.splits
    names = list(dict.fromkeys(name for own in card.counts.values() for name in own))
    shown = names[:MOST_CLASSES]
    rows = [[name, *(f"{card.counts[s].get(name, 0):,}" for s in splits)] for name in shown]
    if len(names) > len(shown):
        rows.append(["…", *["…"] * len(splits)])
    if kind == "classes":  # an image may have several labels, or none
        rows.append(["all", *(f"{sum(card.counts[split].values()):,}" for split in splits)])
    return "\n\n".join([
        table(["images with" if kind == "labels" else "images", *splits], rows),
        f"The fingerprint of the data is `{card.fingerprint}`.",
    ])  # fmt: skip


def _limits(compared: dict[str, Any]) -> str:
    sure = "interval" if compared["kind"] == "values" else "probability"
    said = [
        f"images unlike those of the data get an answer all the same, and its {sure} says nothing "
        "about them",
        "the figures hold for images drawn as those of test were, and for these trained networks",
        *compared["notes"],
        *compared["labels"],
    ]
    return "\n".join(f"- {sentence(text)}" for text in said)
