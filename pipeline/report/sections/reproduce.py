"""What is needed to reproduce the same numbers."""

from pipeline.report.blocks import Facts, Section
from pipeline.report.findings import Findings


def section(findings: Findings) -> Section:
    params = findings.params
    evaluation = params.evaluation
    return Section(
        "reproduce",
        "Reproducing these numbers",
        "The same code, params.yaml and data give the same bits on the same kind of machine: check "
        "out the commit that this page belongs to and run “dvc repro”.",
        [
            Facts(
                [
                    ("fingerprint of the data", findings.card.fingerprint),
                    ("task", params.task.name),
                    ("seed of the split", str(params.data.seed)),
                    (
                        "intervals",
                        f"{evaluation.confidence:.0%}, {evaluation.num_bootstrap:,} draws of the "
                        f"bootstrap, seed {evaluation.seed}",
                    ),
                    (
                        "fitting on validation",
                        f"{params.ensemble.num_folds} folds, seed {params.ensemble.seed}",
                    ),
                    *(
                        (f"soup {name}", f"{soup.method}, of {', '.join(soup.members)}")
                        for name, soup in params.soups.items()
                    ),
                    *(
                        (
                            f"student {name}",
                            f"{own.recipe}, seed {own.seed}, temperature {own.temperature:g}, "
                            f"weight of the ensemble {own.weight:g}",
                        )
                        for name, own in params.distil.items()
                    ),
                ]
            ),
        ],
    )
