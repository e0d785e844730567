"""Decode, check, split and pack the source."""

from pathlib import Path

from pipeline.artifacts import write_json
from pipeline.component import resolve
from pipeline.preprocessing.audit import audit
from pipeline.preprocessing.pack import pack
from pipeline.preprocessing.split import split
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    data = stage.params.data
    source, own = resolve("source", data.source)
    labelled = source.load(own, Path(data.path))
    rows = split(
        labelled.targets,
        labelled.ids,
        labelled.classes,
        labelled.in_test,
        val_fraction=data.val_fraction,
        test_fraction=data.test_fraction,
        seed=data.seed,
    )
    card = pack(labelled, rows, stage.outputs.processed)
    card.save(stage.outputs.card)
    found = audit(labelled, rows)
    write_json(stage.outputs.audit, {**found, "counts": card.counts})
    stage.spool.record({f"{name}/num_images": len(indices) for name, indices in rows.items()})
    stage.spool.record({"duplicates/groups": found["duplicates"]["groups"]})


if __name__ == "__main__":
    run("preprocess", main)
