"""The data: the audit of the images, and the policy that augments them."""

from typing import Any

from pipeline.evaluation.tables import read
from pipeline.report.blocks import (
    Block,
    Cell,
    Column,
    Facts,
    Gallery,
    Picture,
    Section,
    Table,
    count,
    number,
    text,
)
from pipeline.report.findings import Findings
from pipeline.report.sources import picture, tree
from pipeline.report.wording import percent, words

COUNTED = {
    "damaged_metadata": "images with damaged metadata",
    "differing_shares": "pairs of splits with other shares of the classes",
    "equal": "pairs of equal images",
    "fixed_camera": "sets of images that all look alike",
    "leak": "pairs across given splits",
    "near_constant": "almost blank images",
    "near_duplicate": "pairs of near duplicates",
    "num_images": "images",
    "num_quarantined": "unusable files",
    "odd_size": "images of odd size",
    "two_labels": "pairs with different labels",
}
"""What the audit counts."""


def section(findings: Findings) -> Section:
    blocks: list[Block] = [Facts(_facts(findings))]
    if any(findings.card.counts.values()):
        blocks.append(_counts(findings))
    return Section(
        "data",
        "Data",
        "Every image was decoded, measured and compared with all others before the split. The "
        "images behind these numbers are shown in reports/data/index.html.",
        [*blocks, *_policy(findings)],
    )


def _facts(findings: Findings) -> list[tuple[str, str]]:
    card, found = findings.card, tree(findings.inputs.audit / "counts.json") or {}
    height, width, channels = card.image_shape
    how = "one part held out" if card.num_folds == 1 else f"{card.num_folds} folds"
    depth = f"{channels} channel" + "s" * (channels > 1)
    own = [("images as stored", f"{height} × {width} pixels, {depth}")]
    trained = (tree(findings.inputs.augmentation / "policy.json") or {}).get("output_shape")
    if trained and tuple(trained) != card.image_shape:
        own.append(("images as trained on", f"{trained[0]} × {trained[1]} pixels"))
    counts = ((COUNTED.get(name, words(name)), f"{num:,}") for name, num in found.items())
    return [*own, ("validation", how), *counts, *_differing_shares(findings)]


def _differing_shares(findings: Findings) -> list[tuple[str, str]]:
    """Return the pairs of splits in which the classes have other shares, beyond chance."""
    return [
        (f"shares in {row['id']} and {row['other']}", row["detail"])
        for row in read(findings.inputs.audit / "findings.csv")
        if row["kind"] == "differing shares"
    ]


def _counts(findings: Findings) -> Table:
    """Return the number of images by class and split."""
    counts = findings.card.counts
    names = list(dict.fromkeys(name for split in counts.values() for name in split))
    splits = [split for split in ("train", "val", "test") if split in counts]
    most = max((num for split in counts.values() for num in split.values()), default=0)
    return Table(
        "Images by split",
        "",
        [Column("class", is_number=False), *(Column(words(split)) for split in splits)],
        [
            [text(name), *(_share(counts[split].get(name, 0), most) for split in splits)]
            for name in names
        ],
    )


def _share(num: int, most: int) -> Cell:
    return count(num)._replace(fill=round(100 * num / max(most, 1), 1))


def _policy(findings: Findings) -> list[Block]:
    """Return a preview of the augmented images, and the effect of each transform."""
    folder = findings.inputs.augmentation
    blocks: list[Block] = []
    preview = folder / "preview.png"
    if preview.is_file():
        caption = "stored images, framed, beside augmented versions"
        blocks.append(
            Gallery(
                "Augmented training images",
                f"The first column is as stored; every other column is a draw of the policy "
                f"{findings.params.augmentation.policy.name}, as training sees it.",
                [Picture([(picture(preview), caption)], "")],
                "whole",
            )
        )
    transforms = tree(folder / "statistics.json")
    return [*blocks, _transforms(transforms)] if transforms else blocks


def _transforms(transforms: list[dict[str, Any]]) -> Table:
    return Table(
        "Transforms of the policy",
        "How much each one changes the pixels when it is applied, on a scale of 0 to 255.",
        [
            Column("transform", is_number=False),
            Column("probability"),
            Column("mean pixel change"),
            Column("settings", is_number=False),
        ],
        [
            [
                text(each["name"]),
                Cell(percent(each["probability"]), each["probability"]),
                number(each["mean_pixel_change"]),
                text(", ".join(f"{k}: {v}" for k, v in each["settings"].items())),
            ]
            for each in transforms
        ],
    )
