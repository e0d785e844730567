"""Trees of parameters, as YAML and JSON hold them."""

from typing import Any


def flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by their dotted keys: `{"data.seed": 0}`."""
    if not isinstance(node, dict):
        return {prefix: node}
    joined = ((f"{prefix}.{key}" if prefix else key, child) for key, child in node.items())
    return {k: v for dotted, child in joined for k, v in flatten(child, dotted).items()}
