"""Read params.yaml, and refuse a wrong file with a one-line error before any work starts."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.checks import check
from pipeline.config.messages import explain
from pipeline.config.params import Params
from pipeline.core.component import retuple
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml


def load_params(path: Path) -> Params:
    """Read and check a parameter file.

    Raises:
        UserError: the file is missing, is not YAML, or holds a wrong key or value.
    """
    return parse_params(read_yaml(path), str(path))


def parse_params(tree: dict[str, Any], origin: str) -> Params:
    """Check a raw tree: every key and value first, then the sections against each other."""
    try:
        params = Params.model_validate(retuple(tree))
    except RecursionError:
        raise UserError(f"{origin}: an alias refers to itself; write its content out") from None
    except ValidationError as error:
        raise UserError(f"{origin}: {explain(error, tree, Params)}") from None
    check(params, origin)
    return params
