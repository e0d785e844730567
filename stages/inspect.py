"""Show individual errors, and measure robustness where the parameters ask for it."""

from typing import Any

import numpy as np

from pipeline.augmentation.counter import sample_keys
from pipeline.config.evaluation import Robustness
from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.artifacts import Card
from pipeline.core.component import load
from pipeline.core.files import read_json
from pipeline.core.stage import Stage, run
from pipeline.ensembling.combiner import Combiner
from pipeline.evaluation.systems import Tested, make_evaluator
from pipeline.evaluation.tables import read
from pipeline.images.packed import Packed
from pipeline.inspection import gallery, robustness
from pipeline.models import cpu
from pipeline.models.device import choose_device
from pipeline.prediction.stored import load_stored


def main(stage: Stage[Params]) -> None:
    cpu.use(stage.params.hardware.threads)
    _show_errors(stage)
    if stage.params.evaluation.robustness:
        _test_hard(stage, stage.params.evaluation.robustness)


def _show_errors(stage: Stage[Params]) -> None:
    card, choice = Card.load(stage.inputs.card), read_json(stage.inputs.ensemble / "choice.json")
    combiner = Combiner.load(stage.inputs.system(choice["chosen"]))
    looked_with = combiner.heaviest or choice["best_member"]
    network = load_stored(stage.inputs, looked_with, stage.params, choose_device("cpu")).networks[0]
    test, trainval = Packed.open(stage.inputs.test), Packed.open(stage.inputs.trainval)
    tables = {
        name: read(stage.inputs.tables / f"{name}.csv")
        for name in ("confident_mistakes", "confused_pairs", "largest_errors", "label_errors")
    }
    mistakes = tables["confident_mistakes"]
    sections = {}
    for name, captioned, packed, column in (
        ("confident_mistakes", gallery.mistakes(mistakes), test, "predicted"),
        ("confused_pairs", gallery.confused(tables["confused_pairs"], mistakes), test, "predicted"),
        ("largest_errors", gallery.misses(tables["largest_errors"]), test, "predicted"),
        ("label_errors", gallery.suspects(tables["label_errors"]), trainval, "suggested"),
    ):
        evidence_of = gallery.evidence_in(
            combiner.prediction_type.kind, card.classes, network.num_outputs, column
        )
        sections[name] = gallery.write(
            stage.outputs.inspection, name, captioned, packed, network, evidence_of
        )
    gallery.write_index(stage.outputs.inspection, sections, looked_with)
    stage.spool.record({f"gallery/{name}": len(items) for name, items in sections.items()})


def _test_hard(stage: Stage[Params], settings: Robustness) -> None:
    tested, test = Tested.read(stage.inputs, stage.params), Packed.open(stage.inputs.test)
    card, pool = Card.load(stage.inputs.card), tested.pool
    rows = np.sort(np.argsort(sample_keys(pool.ids))[: settings.max_images])
    kind, samples = tested.evaluator.kind, tested.samples.of(pool.ids[rows])
    evaluator = make_evaluator(kind, card, pool.take(rows), samples, stage.params)
    images = np.asarray(test.images[rows])
    task: Any = stage.params.task
    device = choose_device(stage.params.hardware.accelerator)
    networks = [*tested.members, *tested.students]
    systems = robustness.Systems(
        {name: load_stored(stage.inputs, name, stage.params, device) for name in networks},
        {name: tested.combiners[name] for name in [*networks, tested.chosen]},
        lambda logits: load("task", task).predictions(logits, *card.target_scale),
    )
    found = list(
        robustness.corrupted(systems, evaluator, images, settings.corruptions, settings.severities)
    )
    if settings.epsilons:
        goal = robustness.goal(task.ACTIVATION, evaluator.targets, card.target_scale)
        found += robustness.attacked(systems, evaluator, images, settings.epsilons, goal)
    robustness.write(stage.outputs.inspection / "robustness.csv", found, evaluator.headline)


if __name__ == "__main__":
    run("inspect", parse_params, main)
