"""Turn pydantic's errors into one line: the given value, the allowed ones and the nearest name."""

from typing import Annotated, Any, get_args, get_origin

from pydantic import ValidationError

from pipeline.core.component import UNKNOWN, Choice, Strict, names, schema
from pipeline.core.errors import nearest

WORDED = "worded"
"""The kind of a pydantic error whose message is everything that follows the key."""
RENAMED = {
    "launch": "use execution.command",
    "hardware.loader_workers": "use execution.loader_workers",
    "hardware.profiler": "use execution.profiler",
    "hardware.timeout_s": "use execution.timeout_s",
    "hardware.sharding": "use hardware.strategy, with fsdp for full and auto for none",
}
ALLOWED = {  # where pydantic's message names Python types
    "dict_type": "a mapping, `key: value`",
    "model_type": "a mapping, `key: value`",
    "model_attributes_type": "a mapping, `key: value`",
    "tuple_type": "a list, [a, b]",
    "too_short": "at least {min_length} of them",
    "string_pattern_mismatch": "lower-case letters, digits and _, starting with a letter",
}


def explain(error: ValidationError, tree: Any, root: type[Strict]) -> str:
    """Return the first error, as `key: got this; allowed that; nearest other`."""
    first = error.errors()[0]
    loc, kind, given = first["loc"], first["type"], first["input"]
    where = ".".join(map(str, _present(tree, loc)))
    if kind == WORDED:
        return f"{where}: {first['msg']}"
    if kind == "extra_forbidden" and where in RENAMED:
        return f"{where}: unknown key; {RENAMED[where]}"
    if kind == "extra_forbidden":
        allowed = list(getattr(_node_at(root, loc[:-1], tree), "model_fields", {}))
        return f"{where}: unknown key; {nearest(loc[-1], allowed)}"
    if kind in (UNKNOWN, "union_tag_invalid", "union_tag_not_found"):
        tag = given.get("name") if isinstance(given, dict) else given
        if kind == UNKNOWN:
            allowed = names(first["ctx"]["family"])
        else:
            branches = _flatten(_node_at(root, loc, tree))
            allowed = [_tag(b) for b in branches if hasattr(b, "model_fields")]
        return f"{where}.name: got {tag!r}; {nearest(tag, allowed)}"
    if kind == "missing":
        return f"{where}.{loc[-1]}: missing; write a value for it".removeprefix(".")
    message = first["msg"].removeprefix("Input should be ")
    allowed_text = ALLOWED.get(kind, message).format(**first.get("ctx", {}))
    more = f" (and {len(error.errors()) - 1} more)" if len(error.errors()) > 1 else ""
    return f"{where}: got {given!r}; allowed {allowed_text}{more}"


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
