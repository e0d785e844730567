"""List, read, check, split and pack the source."""

from pathlib import Path

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.component import load
from pipeline.core.files import write_json
from pipeline.core.stage import Stage, run
from pipeline.preprocessing.audit import (
    audit,
    classes_line,
    shares_lines,
    summary,
    summary_line,
    write_findings,
)
from pipeline.preprocessing.bad_images import refuse
from pipeline.preprocessing.pack import pack
from pipeline.preprocessing.page import write_page
from pipeline.preprocessing.pairs import same_pictures
from pipeline.preprocessing.places import place
from pipeline.preprocessing.scan import plan, scan


def main(stage: Stage[Params]) -> None:
    data = stage.params.data
    source = load("source", data.source)
    listing = source.load(data.source, Path(data.path), load("task", stage.params.task).Params.KIND)
    how = plan(
        listing,
        **data.image.model_dump(),
        budget_bytes=data.pack_budget_gb * 1e9,
        quality=data.encoded_quality,
    )
    seen = scan(how, stage.work, any_size=data.image.size_px is not None)
    if data.on_bad_image == "fail":
        refuse(listing, seen, stage.work / "bad_images.csv")
    pairs = same_pictures(seen, data.near_duplicate_distance)
    places = place(
        listing,
        seen.good,
        pairs,
        leakage=data.leakage,
        val_fraction=data.val_fraction,
        test_fraction=data.test_fraction,
        num_folds=data.num_folds,
        balance=data.balance,
        seed=data.seed,
    )
    card = pack(how, seen, places.kept, places.assignment, stage.outputs.processed)
    card.save(stage.outputs.card)
    findings = audit(listing, seen, pairs, places)
    figures = summary(listing, seen, findings)
    write_findings(stage.outputs.audit / "findings.csv", findings)
    write_json(stage.outputs.audit / "counts.json", figures)
    write_page(stage.outputs.audit / "index.html", listing, seen, findings, card.counts)
    stage.spool.record(figures)
    lines = (classes_line(card), summary_line(figures), *shares_lines(findings), places.message)
    for line in lines:
        if line:
            print(f"preprocess  {line}", flush=True)


if __name__ == "__main__":
    run("preprocess", parse_params, main)
