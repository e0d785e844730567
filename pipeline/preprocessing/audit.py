"""What is in the data: class counts, and pictures that stand in it more than once."""

from collections import defaultdict
from hashlib import sha256
from typing import Any

import numpy as np

from pipeline.preprocessing.labelled import Labelled

SHOWN = 100  # groups of duplicates that are listed; all of them are counted


def audit(labelled: Labelled, splits: dict[str, np.ndarray]) -> dict[str, Any]:
    """A table of findings, ready to be written as JSON.

    `duplicates` groups images whose pixels are equal; `across_splits` counts the groups that
    stand in more than one split, `across_labels` those with more than one label.
    """
    split_of = {int(i): name for name, rows in splits.items() for i in rows}
    groups = _equal_pixels(labelled.images)
    splits_of = [{split_of[i] for i in group} for group in groups]
    labels_of = [{int(labelled.targets[i]) for i in group} for group in groups]
    return {
        "num_images": len(labelled.ids),
        "image_shape": list(labelled.images.shape[1:]),
        "duplicates": {
            "groups": len(groups),
            "across_splits": sum(len(s) > 1 for s in splits_of),
            "across_labels": sum(len(s) > 1 for s in labels_of),
            "first": [[labelled.ids[i] for i in group] for group in groups[:SHOWN]],
        },
    }


def _equal_pixels(images: np.ndarray) -> list[list[int]]:
    groups: dict[bytes, list[int]] = defaultdict(list)
    for i, image in enumerate(images):
        groups[sha256(image.tobytes()).digest()].append(i)
    return [group for group in groups.values() if len(group) > 1]
