"""The folders of networks that predict; imports nothing heavy."""

from pathlib import Path

from pipeline.config.params import Params
from pipeline.core.paths import Layout


def folder_of(inputs: Layout, name: str, params: Params) -> Path:
    """Return the folder with the networks of a member or a soup."""
    return inputs.soup(name) if name in params.soups else inputs.member(name)
