"""Class names for numbered labels, as Hugging Face's `datasets` stores them with a table."""

import json


def class_labels(metadata: dict[bytes, bytes], column: str) -> tuple[str, ...] | None:
    """Return the names behind a column's numbers or lists of numbers; None if it has none.

    Args:
        metadata: the metadata of a Parquet file's schema, in which `huggingface` is JSON text.
    """
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][column]
        return tuple(map(str, feature.get("feature", feature)["names"]))
    except (ValueError, KeyError, TypeError, AttributeError):  # of another kind or version
        return None


def named(cell: str, names: tuple[str, ...] | None) -> str:
    """Return the name of a number, or of each in a list a|b; -1, for no label, becomes empty."""
    if names is None:
        return cell
    parts = cell.split("|")
    known = (names[int(p)] if p.isdecimal() and int(p) < len(names) else p for p in parts)
    return "" if cell == "-1" else "|".join(known)
