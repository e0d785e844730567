"""Transfer learning: which blocks of a network are trained in an epoch, and how others are frozen.

Both are functions of the epoch, so a resumed fit needs no state of them.
"""

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.config import optimisation as settings
from pipeline.models import blocks as depth
from pipeline.training.optimisers import Block


def blocks(body: nn.Module) -> list[Block]:
    """Return names and parameters of each block, from the image to the classifier.

    Parameters that are never trained are left out.
    """
    learning = {name: p for name, p in body.named_parameters() if p.requires_grad}
    found = [[(n, learning[n]) for n in names if n in learning] for names in depth.blocks(body)]
    return [block for block in found if block]


def num_learning(chosen: settings.Transfer, epoch: int, num_blocks: int) -> int:
    """Return how many blocks, counted from the classifier, are trained in `epoch`, from 0.

    It is at least one.

    Gradual unfreezing is that of J. Howard and S. Ruder, ULMFiT, 2018, section 3.3.
    """
    if chosen.frozen_epochs is None or epoch < chosen.frozen_epochs:
        return 1
    if chosen.gradual:
        return min(num_blocks, 1 + epoch // chosen.frozen_epochs)
    return num_blocks


def freeze(network: nn.Module, found: Sequence[Block], num_learning: int) -> None:
    """Train the last `num_learning` blocks of a network in training mode, and freeze all others.

    A frozen block gets no gradient, so no optimiser moves it. Its batch norms use the statistics
    they have, and keep them; its dropout is off.

    Args:
        found: the return value of `blocks` when nothing was frozen.
    """
    num_frozen = len(found) - num_learning
    for place, block in enumerate(found):
        for _, parameter in block:
            parameter.requires_grad_(place >= num_frozen)
    if num_frozen:
        for module in _frozen(network):
            module.eval()


def _frozen(network: nn.Module) -> list[nn.Module]:
    """Return all modules before the first that is trained.

    A module without parameters, such as dropout, belongs to the module after it: placed before the
    first module that is trained, it keeps that one from overfitting. A norm without parameters
    belongs to the module before it.
    """
    found: list[nn.Module] = []
    between: list[nn.Module] = []
    for module in network.modules():
        if any(p.requires_grad for p in module.parameters(recurse=False)):
            break
        learns = [p.requires_grad for p in module.parameters()]
        if not learns:
            is_kept = found and isinstance(module, _BatchNorm)
            (found if is_kept else between).append(module)
        elif not any(learns):
            found += [*between, module]
            between = []
    return found
