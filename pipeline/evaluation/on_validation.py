"""What validation alone says: which members to train next, and how many labels are wrong."""

from pipeline.config.params import Params
from pipeline.core.artifacts import OutOfFold
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.truth import Truth
from pipeline.evaluation.advice import Advice, advice, errors_of
from pipeline.evaluation.intervals import Bootstrap
from pipeline.evaluation.systems import Tested
from pipeline.evaluation.wrong_labels import num_wrong_labels, wrong_labels_sentence


def advised(
    inputs: Layout, params: Params, tested: Tested, held_out: OutOfFold, truth: Truth
) -> Advice:
    """Find out what further members would bring.

    Args:
        truth: the truth of validation, which `held_out` predicts.
    """
    settings, kind = params.evaluation, tested.evaluator.kind
    errors = {
        name: errors_of(kind, held_out.systems[name], truth.targets, tested.std)
        for name in (*tested.members, tested.chosen)
    }
    return advice(
        kind,
        {name: errors[name] for name in tested.members},
        {name: member.recipe for name, member in params.members.items()},
        Combiner.load(max(inputs.nested.glob("*.json"))).members,
        tested.best_member,
        errors[tested.chosen],
        truth.weights,
        Bootstrap(
            truth.units, truth.weights, settings.num_bootstrap, settings.confidence, settings.seed
        ),
    )


def on_labels(tested: Tested, held_out: OutOfFold, num_suspects: int, num_unseen: int) -> list[str]:
    """Say how many labels are probably wrong, and of how many samples that is not known."""
    if tested.evaluator.kind == "values":
        return []
    wrong = num_wrong_labels(
        held_out.systems[tested.chosen], held_out.targets, tested.evaluator.confidence
    )
    return [wrong_labels_sentence(wrong, num_suspects, num_unseen)]
