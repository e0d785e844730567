"""Read and write small files in one consistent way."""

import json
import os
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.core.errors import UserError

LITTER = (".ds_store", "__macosx", "thumbs.db", "desktop.ini", "__pycache__")


def is_litter(name: str) -> bool:
    """Return whether a program leaves a file or folder of this name in any folder that it opens.

    `.dvcignore` lists the same, so that none of them makes data or code look changed.
    """
    return name.lower() in LITTER or name.startswith("._")


def write_json(path: Path, tree: Any) -> None:
    """Write sorted, indented JSON, so that equal trees give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically and flush it to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")  # several may write at once
    with unfinished.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no text at all
        raise UserError(
            f"{path}: damaged ({error}); remove it, and restore it with `dvc checkout` if it is an "
            "output of a stage"
        ) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        UserError: the file is missing or is not a YAML mapping.
    """
    try:
        tree = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run from the folder that contains it") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; name a file that can be read") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8") from None
    except YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {_where(error)}; correct that line") from None
    if not isinstance(tree, dict):
        kind = "an empty file" if tree is None else f"a {type(tree).__name__}"
        raise UserError(f"{path}: got {kind}; allowed a mapping, `key: value`")
    return tree


def _where(error: YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{problem or error}"
