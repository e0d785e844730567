"""Turn pydantic's errors into one line: the given value, the allowed ones and the nearest name."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Annotated, Any, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.core.component import UNKNOWN, Choice, Strict, names, schema
from pipeline.core.errors import nearest, shown

WORDED = "worded"
"""The kind of a pydantic error whose message is everything that follows the key."""
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
RENAMED = {
    "launch": "use execution.command",
    "hardware.loader_workers": "use execution.loader_workers",
    "hardware.profiler": "use execution.profiler",
    "hardware.timeout_s": "use execution.timeout_s",
    "hardware.sharding": "use hardware.strategy, with fsdp for full and auto for none",
    "recipes.*.search.num_trials": "use budget, such as budget: {trials: 20}",
    "recipes.*.search.parallel": "use batch; the machine decides how many fits run at once",
}
UNION = ("union_tag_invalid", "union_tag_not_found", "model_attributes_type")
"""The kinds of pydantic's errors where no branch of a union has the given name."""
ALLOWED = {  # where pydantic's message names Python types
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "none_required": "null",
    "dict_type": "a mapping, `key: value`",
    "model_type": "a mapping, `key: value`",
    "model_attributes_type": "a mapping, `key: value`",
    "tuple_type": "a list, [a, b]",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "missing": "a longer list",
    "string_pattern_mismatch": "lower-case letters, digits and _, starting with a letter",
}


def explain(error: ValidationError, tree: Any, root: type[Strict]) -> str:
    """Return the first error, as `key: got this; allowed that; nearest other`."""
    errors = [one for one in error.errors() if not _follows_from_others(one)]
    # What replaces a key may be missing, and so is a section whose name is misspelt.
    missing = [f"{one['loc'][0]}" for one in errors if one["type"] == "missing"]
    errors.sort(key=lambda one: not (_is_misspelt(one, missing) or _advice(one, tree)))
    errors = _of_first_value(errors, tree)
    first = errors[0]
    loc, kind, given = first["loc"], first["type"], first["input"]
    where = ".".join(map(str, _present(tree, loc)))
    if kind == WORDED:
        return f"{where}: {first['msg']}"
    if advice := _advice(first, tree):
        return f"{where}: unknown key; {advice}"
    if kind == "extra_forbidden":
        allowed = list(getattr(_node_at(root, loc[:-1], tree), "model_fields", {}))
        return f"{where}: unknown key; {nearest(loc[-1], allowed)}"
    if kind in (UNKNOWN, *UNION):
        branches = _flatten(_node_at(root, loc, tree)) if kind in UNION else ()
        tags = [_tag(branch) for branch in branches if hasattr(branch, "model_fields")]
        return where + _wrong_name(given, tags or first["ctx"]["allowed"])
    if kind == "missing":
        wanted = _wanted(loc[-1], _node_at(root, loc, tree))
        return f"{where}.{loc[-1]}: missing; write {wanted}".removeprefix(".")
    return f"{where}: {_wrong_value(errors, tree, root)}"


def _wanted(key: int | str, node: Any) -> str:
    """Return what to write for a missing key; a section may have nothing but defaults."""
    fields = getattr(node, "model_fields", None)
    if fields is None or any(field.is_required() for field in fields.values()):
        return "a value for it"
    return f"`{key}: {{}}` for its defaults"


def _of_first_value(errors: list[ErrorDetails], tree: Any) -> list[ErrorDetails]:
    """Put the errors inside the first wrong value first, where it is a mapping or a list.

    Whoever writes one has chosen the branch of the union that takes it, so what other branches
    would allow says nothing.
    """
    if errors[0]["type"] == "missing":
        return errors
    key = _present(tree, errors[0]["loc"])
    inside = [
        one
        for one in errors
        if (place := _present(tree, one["loc"]))[: len(key)] == key and len(place) > len(key)
    ]
    return inside or errors


def _advice(error: ErrorDetails, tree: Any) -> str | None:
    """Return what to use instead of a key that had another name once."""
    where = ".".join(map(str, _present(tree, error["loc"])))
    if error["type"] != "extra_forbidden":
        return None
    return next((RENAMED[key] for key in RENAMED if fnmatchcase(where, key)), None)


def _is_misspelt(error: ErrorDetails, missing: list[str]) -> bool:
    """Return whether a section stands there under a name that resembles a missing one's."""
    is_section = error["type"] == "extra_forbidden" and len(error["loc"]) == 1
    return is_section and bool(get_close_matches(f"{error['loc'][0]}".casefold(), missing, n=1))


def _follows_from_others(error: ErrorDetails) -> bool:
    """Whether a list is too short only because entries of it are wrong."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def _wrong_value(errors: list[ErrorDetails], tree: Any, root: type[Strict]) -> str:
    """Return what follows the key, for all errors of the first wrong value: one for each branch."""
    first = errors[0]
    key = _present(tree, first["loc"])
    here = [one for one in errors if one["loc"] == first["loc"] or _is_branch(one, key, tree)]
    kept = list(dict.fromkeys(map(_allowed, here)))
    if "a number" in kept and "a whole number" in kept:
        kept.remove("a whole number")
    if len(kept) > 1 and type(None) in _flatten(_node_at(root, first["loc"], tree)):
        kept.append("null")
    kept.sort(key=lambda allowed: "; nearest " in allowed)  # advice comes last
    *others, last = kept
    allowed = f"{', '.join(others)} or {last}" if others else last
    more = f" (and {len(errors) - len(here)} more)" if len(errors) > len(here) else ""
    quotes = _quoting(first["type"], first["input"])
    return f"got {shown(first['input'])}; allowed {allowed}{more}{quotes}"


def _is_branch(error: ErrorDetails, key: list[int | str], tree: Any) -> bool:
    """Whether an error says what one branch of a union would allow at `key`."""
    is_absent_key = error["type"] == "missing" and isinstance(error["loc"][-1], str)
    return _present(tree, error["loc"]) == key and not is_absent_key


def _wrong_name(given: Any, allowed: Sequence[str]) -> str:
    """Return what follows the key in a message about `{name: ...}` that names none of `allowed`."""
    if not isinstance(given, dict):
        return f": got {shown(given)}; write {{name: ...}}; {nearest(given, allowed)}"
    if "name" not in given:
        return f".name: missing; {nearest(None, allowed)}"
    return f".name: got {shown(given['name'])}; {nearest(given['name'], allowed)}"


def _allowed(error: ErrorDetails) -> str:
    """Return what would be allowed instead of one value, and the nearest of several names."""
    context = error.get("ctx", {})
    if error["type"] == "literal_error":
        words = re.findall(r"'(\w+)'", context["expected"])
        if words and isinstance(error["input"], str):
            return nearest(error["input"], words).removeprefix("allowed ")
    message = error["msg"].removeprefix("Input should be ")
    return ALLOWED.get(error["type"], message).format(**context)


def _quoting(kind: str, given: Any) -> str:
    """Advise where YAML took text for a number or the reverse."""
    if kind == "string_type" and isinstance(given, bool | int | float):
        return f"; in quotes, '{shown(given)}'"
    if kind in ("int_type", "float_type") and isinstance(given, str) and NUMBER.fullmatch(given):
        return "; without quotes"
    return ""


def _present(tree: Any, loc: tuple[int | str, ...]) -> list[int | str]:
    """Return `loc` without the names of union branches, which pydantic adds to it."""
    kept: list[int | str] = []
    for part in loc:
        is_key = isinstance(tree, dict) and part in tree
        is_index = isinstance(tree, list | tuple) and isinstance(part, int) and part < len(tree)
        if is_key or is_index:
            tree = tree[part]
            kept.append(part)
    return kept


def _node_at(root: type[Strict], loc: tuple[int | str, ...], tree: Any) -> Any:
    """Return the type of the parameters at `loc` of the tree that was given."""
    node: Any = root
    for place, part in enumerate(loc, start=1):
        node = _descend(node, part)
        chosen = next((leaf for leaf in _flatten(node) if isinstance(leaf, Choice)), None)
        given = _at(tree, _present(tree, loc[:place]))
        if chosen and isinstance(given, dict) and given.get("name") in names(chosen.family):
            node = schema(chosen.family, given["name"])
    return node


def _at(tree: Any, keys: list[int | str]) -> Any:
    for key in keys:
        tree = tree[key]
    return tree


def _descend(node: Any, part: int | str) -> Any:
    """Descend one step: into a field, a branch of a union, or the values of a mapping or list."""
    if part in getattr(node, "model_fields", {}):
        return node.model_fields[part].rebuild_annotation()
    if get_origin(node) is Annotated:
        node = get_args(node)[0]
    if get_origin(node) in (dict, tuple):
        return get_args(node)[1 if get_origin(node) is dict else 0]
    for branch in _flatten(node):
        if hasattr(branch, "model_fields"):
            if part in branch.model_fields:
                return branch.model_fields[part].rebuild_annotation()
            if part in (branch.__name__, _tag(branch)):
                return branch
    return node


def _tag(branch: type[Strict]) -> str:
    """Return the `name` that selects this branch of a union."""
    fixed = (
        get_args(branch.model_fields["name"].annotation) if "name" in branch.model_fields else ()
    )
    return str(fixed[0]) if fixed else branch.__name__


def _flatten(annotation: Any) -> list[Any]:
    arguments = get_args(annotation)
    return [leaf for a in arguments for leaf in _flatten(a)] if arguments else [annotation]
