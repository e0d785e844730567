"""Names for numbered labels, as Hugging Face's `datasets` keeps them beside a table."""

import json


def class_labels(metadata: dict[bytes, bytes], column: str) -> tuple[str, ...] | None:
    """The names of a column's numbers, or of those in its lists; None where it has none.

    Args:
        metadata: of a Parquet file's schema, in which `huggingface` is JSON text.
    """
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][column]
        return tuple(map(str, feature.get("feature", feature)["names"]))
    except (ValueError, KeyError, TypeError, AttributeError):  # of another kind, another version
        return None


def named(cell: str, names: tuple[str, ...] | None) -> str:
    """The name of a number, or of each in a list a|b; -1, which means no label, becomes empty."""
    if names is None:
        return cell
    parts = cell.split("|")
    known = (names[int(p)] if p.isdecimal() and int(p) < len(names) else p for p in parts)
    return "" if cell == "-1" else "|".join(known)
