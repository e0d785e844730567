"""The data sets that runs have read, as MLflow's inputs name them."""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core import dvcfile
from pipeline.core.artifacts import Card
from pipeline.core.paths import Layout
from pipeline.tracking.document import Dataset

DIGEST_CHARS = 36  # the most that MLflow takes
PARTS = {"trainval": ("train", "val"), "test": ("test",)}
READ = {
    "augment": ("trainval",),
    "search": ("trainval",),
    "train": ("trainval",),
    "soup": ("trainval",),
    "predict": ("trainval", "test"),
    "predict_soup": ("trainval", "test"),
    "ensemble": ("trainval",),
    "evaluate": ("trainval", "test"),
    "inspect": ("trainval", "test"),
}
"""The parts that a stage reads, themselves or through predictions; the last one is measured on."""


def name_of(data: dict[str, Any]) -> str:
    """Return a name for the data of params.yaml that a person can say."""
    source, path = str(data["source"]["name"]), str(data.get("path", ""))
    return source if path in ("", "data/raw") else Path(path).name


class Datasets:
    """The parts of the present data, by the hashes that DVC's lock file gives them."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.parts: dict[str, Dataset] = {}
        if not Layout().card.is_file():
            return
        card, hashes = Card.load(Layout().card), _hashes()
        for part, splits in PARTS.items():
            folder = Layout().processed / part
            counts = {split: card.counts[split] for split in splits if split in card.counts}
            digest = hashes.get(f"{folder}", card.fingerprint).removesuffix(".dir")[:DIGEST_CHARS]
            name, images = f"{name_of(data)} {part}", _num_images(folder, list(counts))
            self.parts[part] = Dataset(name, digest, f"{folder}", counts, images)

    @property
    def num_images(self) -> dict[str, int]:
        """The number of images by split; empty where the data is not here."""
        return {
            split: num for part in self.parts.values() for split, num in part.num_images.items()
        }

    def read_by(self, stage: str) -> tuple[Dataset, ...]:
        """Return the parts that a stage has read; none before they are preprocessed."""
        return tuple(self.parts[part] for part in READ.get(stage, ()) if part in self.parts)


def _num_images(folder: Path, splits: list[str]) -> dict[str, int]:
    """Count the images of a part; those of fold 0 are validation where it is a split."""
    file = folder / "folds.npy"
    if not file.is_file():
        return {}
    folds = np.load(file)
    first, *others = splits
    num_val = int((folds == 0).sum()) if others else 0
    return {first: len(folds) - num_val, **dict.fromkeys(others, num_val)}


def _hashes() -> dict[str, str]:
    """Return DVC's hash of each part of the data."""
    outs = dvcfile.locked_stages().get("preprocess", {}).get("outs", [])
    return {out["path"]: out["md5"] for out in outs}
