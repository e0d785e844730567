"""Errors one can look at: galleries, the surest mistakes, labels that are probably wrong."""

from typing import Any

from pipeline.report.blocks import Block, Column, Gallery, Picture, Section, Table, number, text
from pipeline.report.findings import Findings
from pipeline.report.sources import picture, tree
from pipeline.report.wording import words

MOST = 30
MEANING = {
    "confident_mistakes": "The surest wrong answers of the chosen ensemble on test.",
    "confused_pairs": "Examples of what is taken for each other most often.",
    "label_errors": "Samples, none of them of test, whose label is probably wrong.",
    "largest_errors": "The values of test that the chosen ensemble misses by most.",
}
SUSPECTS = (
    "Labels that the members contradict, of samples that these did not learn from and that are not "
    "of test: look at each before you change it. All are in label_errors.csv. Confident learning "
    "(Northcutt et al., 2021)."
)


def section(findings: Findings) -> Section | None:
    blocks: list[Block] = list(_galleries(findings))
    blocks += _list(
        findings, "confident_mistakes", "The surest mistakes", "Of the chosen ensemble, on test."
    )
    blocks += _list(
        findings, "largest_errors", "The largest errors", "Of the chosen ensemble, on test."
    )
    blocks += _list(findings, "label_errors", "Suspected label errors", SUSPECTS)
    if not blocks:
        return None
    return Section("errors", "Errors to look at", "", blocks)


def _galleries(findings: Findings) -> list[Gallery]:
    folder = findings.inputs.inspection
    index: dict[str, Any] = tree(folder / "gallery.json") or {"sections": {}}
    looked = index.get("looked_with")
    said = (
        f" Beside each: where {looked} looked, yellow where it counted most (Grad-CAM)."
        if looked
        else ""
    )
    return [
        Gallery(
            words(name).capitalize(),
            MEANING.get(name, "") + said,
            [
                Picture(
                    [
                        (picture(folder / item["image"]), item["caption"]),
                        *(
                            [(picture(folder / item["map"]), f"where {looked} looked")]
                            if item["map"]
                            else []
                        ),
                    ],
                    item["caption"],
                    item["id"],
                )
                for item in items
            ],
        )
        for name, items in index["sections"].items()
        if items
    ]


def _list(findings: Findings, name: str, title: str, meaning: str) -> list[Table]:
    """A table as it is, its first rows."""
    rows = findings.table(name)
    if not rows:
        return []
    left_out = f" The first {MOST} of {len(rows)}." if len(rows) > MOST else ""
    is_number = {column: all(_is_number(row[column]) for row in rows) for column in rows[0]}
    is_number["id"] = False
    return [
        Table(
            title,
            meaning + left_out,
            [Column(words(column), is_number=is_number[column]) for column in rows[0]],
            [
                [number(float(v)) if is_number[c] else text(v) for c, v in row.items()]
                for row in rows[:MOST]
            ],
        )
    ]


def _is_number(value: str) -> bool:
    return "." in value and value.replace(".", "", 1).replace("-", "").replace("e", "").isdigit()
