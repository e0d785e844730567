"""Errors to inspect: galleries, the most confident mistakes, suspected label errors."""

from typing import Any

from pipeline.report.blocks import Block, Column, Gallery, Picture, Section, Table, number, text
from pipeline.report.findings import Findings
from pipeline.report.sources import picture, tree
from pipeline.report.wording import sentence, words

MOST = 30
MEANING = {
    "confident_mistakes": "The chosen ensemble's most confident mistakes on test.",
    "confused_pairs": "Examples of the most frequently confused pairs.",
    "label_errors": "Samples whose label is probably wrong; none is from test.",
    "largest_errors": "The chosen ensemble's largest errors on test.",
}
LARGEST = "The chosen ensemble on test; errors are in standard deviations over train."
SUSPECTS = (
    "Labels that the members contradict, on samples that these members did not learn from; none is "
    "from test. Look at each before you change it. All of them are in label_errors.csv. Method: "
    "confident learning (Northcutt et al., 2021)."
)


def section(findings: Findings) -> Section | None:
    blocks: list[Block] = list(_galleries(findings))
    blocks += _list(
        findings, "confident_mistakes", "Most confident mistakes", "The chosen ensemble on test."
    )
    blocks += _list(findings, "largest_errors", "Largest errors", LARGEST)
    labels = [f" {sentence(said)}." for said in findings.comparison["labels"]]
    suspected = SUSPECTS + "".join(labels)
    blocks += _list(findings, "label_errors", "Suspected label errors", suspected)
    if not blocks:
        return None
    return Section("errors", "Errors to inspect", "", blocks)


def _galleries(findings: Findings) -> list[Gallery]:
    folder = findings.inputs.inspection
    index: dict[str, Any] = tree(folder / "gallery.json") or {"sections": {}}
    looked = index.get("looked_with")
    map_note = (
        f" Beside each: where {looked} looked; yellow marks what counted most (Grad-CAM)."
        if looked
        else ""
    )
    return [
        Gallery(
            sentence(words(name)),
            MEANING.get(name, "") + map_note,
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
    """Return the first rows of a table as it is."""
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
