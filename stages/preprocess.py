"""List, read, check, split and pack the source."""

from pathlib import Path

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.component import load
from pipeline.core.errors import UserError
from pipeline.core.stage import Stage, run
from pipeline.preprocessing.audit import (
    audit,
    classes_line,
    few_line,
    shares_lines,
    summary,
    summary_line,
)
from pipeline.preprocessing.bad_images import refuse
from pipeline.preprocessing.pack import counts, pack
from pipeline.preprocessing.page import write_audit
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
    pairs = same_pictures(listing, seen, data.near_duplicate_distance)
    try:
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
    except UserError as error:
        folder, everything = stage.work / "audit", {"all": counts(listing, seen.good)}
        write_audit(folder, listing, seen, audit(listing, seen, pairs, None), everything)
        raise UserError(f"{error}; {folder / 'index.html'} shows what was found") from None
    card = pack(how, seen, places.kept, places.assignment, stage.outputs.processed)
    card.save(stage.outputs.card)
    findings = audit(listing, seen, pairs, places)
    figures = summary(listing, seen, findings)
    write_audit(stage.outputs.audit, listing, seen, findings, card.counts)
    stage.spool.record(figures)
    said = (classes_line(card), summary_line(figures), *shares_lines(findings), few_line(card))
    for line in (*said, pairs.message, places.message):
        if line:
            print(f"preprocess  {line}", flush=True)


if __name__ == "__main__":
    run("preprocess", parse_params, main)
