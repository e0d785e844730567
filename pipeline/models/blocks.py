"""Divide a network into blocks, from the image to the classifier.

Freezing, gradual unfreezing and lower learning rates near the image all count in blocks, for any
network: J. Howard and S. Ruder, Universal Language Model Fine-tuning, 2018, section 3.2.
"""

from collections.abc import Iterator

from torch import nn

NUM_ALIKE = 3  # a row of this many layers of one class is a network's depth, not a branch


def blocks(body: nn.Module) -> list[list[str]]:
    """Return the names of `body.named_parameters()`, one list per block, in order of creation.

    Containers are opened, and so is anything that holds a long row of equal layers, such as a
    transformer's encoder. A norm that stands alone belongs to the layer before it. Every parameter
    is in exactly one block, and those of the classifier are in the last one.
    """
    found: list[list[str]] = []
    dims = {name: parameter.ndim for name, parameter in body.named_parameters()}
    for part in _parts(body, ""):
        names = [name for name in part if name in dims]  # shared ones count where they come first
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
