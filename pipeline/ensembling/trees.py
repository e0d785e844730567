"""Regression trees as plain arrays: one row per tree, padded to the nodes that its depth allows."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from pipeline.ensembling.prediction_type import State


def plain(tree: Any, depth: int) -> State:
    """Return the routing of a fitted tree of at most this depth. A leaf leads to itself."""
    nodes = tree.tree_
    own, is_leaf = np.arange(nodes.node_count), nodes.children_left < 0
    arrays = {
        "left": np.where(is_leaf, own, nodes.children_left).astype(np.intp),
        "right": np.where(is_leaf, own, nodes.children_right).astype(np.intp),
        "feature": np.where(is_leaf, 0, nodes.feature).astype(np.intp),
        "threshold": np.where(is_leaf, 0.0, nodes.threshold),
    }
    padding = (0, 2 ** (depth + 1) - 1 - nodes.node_count)
    return {name: np.pad(array, padding) for name, array in arrays.items()}


def leaves(tree: State, features: Float32[np.ndarray, "n f"]) -> Int[np.ndarray, " n"]:
    """Return each sample's leaf; like scikit-learn's trees, it compares features in 32 bits."""
    rows, node = np.arange(len(features)), np.zeros(len(features), np.intp)
    depth = len(tree["left"]).bit_length() - 1
    for _ in range(depth):
        goes_left = features[rows, tree["feature"][node]] <= tree["threshold"][node]
        node = np.where(goes_left, tree["left"][node], tree["right"][node])
    return node


def total(trees: State, features: Float32[np.ndarray, "n f"]) -> Float[np.ndarray, "n k"] | float:
    """Return the sum of all trees' values; 0 if there are none."""
    each = [dict(zip(trees, row, strict=True)) for row in zip(*trees.values(), strict=True)]
    return sum((tree["value"][leaves(tree, features)] for tree in each), start=0.0)
