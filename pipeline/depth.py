"""The blocks of a network from the image to the classifier.

Freezing, unfreezing step by step and lower learning rates near the image all count in blocks, for
any network: J. Howard and S. Ruder, Universal Language Model Fine-tuning, 2018, section 3.2.
"""

from collections.abc import Iterator

from torch import nn

NUM_ALIKE = 3  # from here a row of layers of one class is a body's depth, and no branch of a block


def blocks(body: nn.Module) -> list[list[str]]:
    """Names of `body.named_parameters()`, one list a block, in the order in which they are made.

    Containers are opened, and whatever holds a long row of equal layers, such as a transformer's
    encoder. A norm that stands alone belongs to the layer before it. Every parameter is in
    exactly one block, those of the classifier in the last.
    """
    found: list[list[str]] = []
    dims = {name: parameter.ndim for name, parameter in body.named_parameters()}
    for part in _parts(body, ""):
        names = [name for name in part if name in dims]  # what is shared counts where it is first
        if not names:
            continue
        is_norm = max(dims[name] for name in names) <= 1
        if found and is_norm:
            found[-1] += names
        else:
            found.append(names)
    return found


def _parts(module: nn.Module, prefix: str) -> Iterator[list[str]]:
    if prefix and not _is_opened(module):
        yield [prefix + name for name, _ in module.named_parameters()]
        return
    yield [prefix + name for name, _ in module.named_parameters(recurse=False)]
    for name, child in module.named_children():
        yield from _parts(child, f"{prefix}{name}.")


def _is_opened(module: nn.Module) -> bool:
    return _is_container(module) or any(map(_is_row, module.children()))


def _is_container(module: nn.Module) -> bool:
    return type(module) in (nn.Sequential, nn.ModuleList)


def _is_row(module: nn.Module) -> bool:
    kinds = {type(child) for child in module.children()}
    return _is_container(module) and len(module._modules) >= NUM_ALIKE and len(kinds) == 1
