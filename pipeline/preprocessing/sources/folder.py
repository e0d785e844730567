"""One folder per class: `root/class/**/image`, or `root/{train,val,test}/class/**/image`.

Every file in a class is a sample, whatever its extension: decoding shows whether it is an image.
Hidden files and anything beside the class folders, such as a README, are not samples; the listing
names them, except for what systems leave in any folder, such as `.DS_Store` and `Thumbs.db`.
"""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from pipeline.core.component import Component
from pipeline.core.errors import UserError, nearest
from pipeline.core.files import is_litter
from pipeline.core.kind import Kind
from pipeline.preprocessing.listing import Listing
from pipeline.preprocessing.reading.classes import at_least_two, only_classes, ordered
from pipeline.preprocessing.reading.columns import ClassNames
from pipeline.preprocessing.reading.files import Files, as_id, existing
from pipeline.preprocessing.reading.spelling import STANDS, doubtful
from pipeline.preprocessing.reading.splits import SPLITS

if TYPE_CHECKING:
    import numpy as np


class Params(Component):
    """Which folders name the classes."""

    class_level: Literal[1, 2] | None = None
    """1: the folders below data.path; 2: those one level deeper. null: 2 if all folders at level 1
    are named like splits, otherwise 1. Needed where every folder at level 1 holds the same
    folders."""
    classes: ClassNames | None = None
    """All names of class folders, in the order of their indices; null sorts those found."""


class Found(NamedTuple):
    """Names relative to the root; those of folders end in /."""

    files: list[str]
    folders: list[str]
    ignored: list[str]


def load(params: Params, folder: Path, kind: Kind) -> Listing:
    """List the files below `folder` without opening any. An id is the path relative to `folder`.

    Raises:
        UserError: the folder is missing or unreadable, or holds a link to a folder, fewer than two
            class folders, or a class without files; or it is not clear which folders are classes.
    """
    import numpy as np

    only_classes(params.name, kind)
    root = existing(folder)
    found = _walk(root)
    tops = sorted(name for name in found.folders if name.count("/") == 1)
    named = [top for top in tops if top[:-1].lower() in SPLITS]
    are_splits = bool(tops) and named == tops
    if not are_splits and params.class_level != 1:
        _refuse_some_splits(folder, tops, named)
    if not are_splits and params.class_level is None:
        _refuse_repeated(folder, found, tops)
    depth = (params.class_level or 1 + are_splits) - 1
    _check_layout(folder, found, tops, depth)
    names = sorted(name for name in found.files if name.count("/") > depth)
    beside = [name for name in found.files if name.count("/") <= depth]
    labels = [as_id(name.split("/")[depth]) for name in names]
    classes = at_least_two(_classes(params, set(labels), folder), str(folder))
    index = {name: i for i, name in enumerate(classes)}
    return Listing(
        ids=[as_id(name) for name in names],
        targets=np.array([index[label] for label in labels], np.int64),
        classes=classes,
        read=Files(root, names),
        given=_given(names) if are_splits and depth else None,
        ignored=sorted(as_id(name) for name in found.ignored + beside),
    )


def _classes(params: Params, found: set[str], folder: Path) -> list[str]:
    """Return the classes in order; refuse names that are none, spelt in two ways, or not listed."""
    if params.classes is None:
        if doubt := doubtful(sorted(found)):
            value, other = doubt
            what = f"and {other!r}, another spelling of it" if other else STANDS
            raise UserError(
                f"{folder}: got the class folder {value!r}, {what}; rename it, or list all class "
                "folders in data.source.classes"
            )
        return ordered(found)
    for name in sorted(found - set(params.classes)):
        raise UserError(
            f"{folder}: got the class folder {name!r}, which is not in data.source.classes; "
            f"{nearest(name, params.classes)}"
        )
    return list(params.classes)


def _given(names: list[str]) -> np.ndarray:
    import numpy as np

    return np.array([SPLITS[name.split("/")[0].lower()] for name in names])


def _refuse_some_splits(folder: Path, tops: list[str], named: list[str]) -> None:
    """Refuse two or more folders named like splits beside others, such as docs or extra."""
    if len(named) > 1:
        splits = ", ".join(as_id(top[:-1]) for top in named[:3])
        other = as_id(next(top for top in tops if top not in named)[:-1])
        raise UserError(
            f"{folder}: {splits} are named like splits, {other} is not; move it elsewhere, or set "
            "data.source.class_level: 1 if all of them are classes"
        )


def _refuse_repeated(folder: Path, found: Found, tops: list[str]) -> None:
    """Refuse two folders that hold folders of the same names: the inner ones may be the classes."""
    inner = {
        top: {name.split("/")[1] for name in found.folders if name.startswith(top) and name != top}
        for top in tops
    }
    for first, second in combinations(tops, 2):
        repeated = sorted(inner[first] & inner[second])
        if len(repeated) > 1:
            raise UserError(
                f"{folder}: {as_id(first[:-1])} and {as_id(second[:-1])} both hold the folders "
                f"{', '.join(as_id(name) for name in repeated[:3])}, so either level may name the "
                "classes; rename splits to train, val and test, or set data.source.class_level to "
                "1 or 2"
            )


def _walk(root: str) -> Found:
    found, stack = Found([], [], []), [""]
    while stack:
        below = stack.pop()
        for entry in _entries(os.path.join(root, below)):  # noqa: PTH118  # 500,000 of them
            is_folder = entry.is_dir(follow_symlinks=False)
            name = below + entry.name + "/" * is_folder
            if is_litter(entry.name):
                continue
            if entry.name.startswith("."):
                found.ignored.append(name)
            elif is_folder:
                found.folders.append(name)
                stack.append(name)
            elif entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112  # in a circle: false
                raise UserError(
                    f"{as_id(entry.path)}: a link to a folder, which could form a loop; put the "
                    "folder itself there, or links to its files"
                )
            else:
                found.files.append(name)
    return found


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise UserError(f"{as_id(folder)}: {error.strerror}; make the folder readable") from None


def _check_layout(folder: Path, found: Found, tops: list[str], depth: int) -> None:
    """Refuse a data set, or a split of it, without class folders, and a class without files."""
    inner = [name for name in found.folders if name.count("/") == depth + 1]
    places = tops if depth else [""]
    for place in places:
        if not any(name.startswith(place) for name in inner):
            num_files = sum(name.startswith(place) for name in found.files)
            raise UserError(
                f"{as_id(f'{folder}/{place}')}: contains {num_files:,} files and no class "
                "folders; allowed class/image, or train/class/image beside val and test; arrange "
                "the images like that"
            )
    filled = {"/".join(name.split("/")[: depth + 1]) + "/" for name in found.files}
    empty = sorted(set(inner) - filled)
    if empty:
        raise UserError(
            f"{as_id(f'{folder}/{empty[0]}')}: a class folder without files; add some or remove "
            "the folder"
        )
