"""Read the stages of dvc.yaml: their dependencies, parameters and outputs."""

import re
import time
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from pipeline.core.errors import UserError, nearest
from pipeline.core.files import is_litter, read_yaml
from pipeline.core.tree import flatten

LOCK = Path("dvc.lock")
RUNS = "artifacts/runs/"
"""Outputs below it describe the run of an entry, for MLflow; they are no results."""
WRITING_S = 5
"""DVC has written a lock file in less time, however busy the machine is."""


@dataclass(frozen=True)
class Entry:
    """One stage, or one key of a stage that is repeated with `foreach`."""

    stage: str
    key: str
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name used in MLflow and for folders, such as `train/cnn_1`."""
        return f"{self.stage}/{self.key}" if self.key else self.stage

    @property
    def dvc_name(self) -> str:
        """DVC's own name, such as `train@cnn_1`."""
        return f"{self.stage}@{self.key}" if self.key else self.stage

    @property
    def has_run(self) -> bool:
        """Whether MLflow shows a run of it."""
        return any(out.startswith(RUNS) for out in self.outs)

    def settings(self, tree: dict[str, Any]) -> dict[str, Any]:
        """Return the part of params.yaml that this entry depends on, flattened: `data.seed: 0`."""
        flat: dict[str, Any] = {}
        for dotted in self.params:
            flat |= flatten(_lookup(tree, dotted), dotted)
        return flat

    def fingerprint(self, tree: dict[str, Any]) -> str:
        """Return the identity of the work, the same for the same code, parameters and data."""
        digest = sha256(f"{self.name}\n{sorted(self.settings(tree).items())}\n".encode())
        for dep in sorted(self.deps):
            digest.update(f"{dep} {content_hash(Path(dep))}\n".encode())
        return digest.hexdigest()


def entry(stage: str, key: str, tree: dict[str, Any], dvc_file: Path = Path("dvc.yaml")) -> Entry:
    """Read one entry of dvc.yaml and fill in its templates.

    Raises:
        UserError: there is no such stage, or no such key in it.
    """
    stages = read_yaml(dvc_file)["stages"]
    if stage not in stages:
        raise UserError(f"{dvc_file}: no stage {stage!r}; {nearest(stage, stages)}")
    spec = stages[stage]
    if key and "foreach" not in spec:
        raise UserError(
            f"stages.{stage}: got {key!r}, but the stage takes no key; run it without one"
        )
    keys = _keys(spec, tree)
    if key not in keys:
        raise UserError(f"stages.{stage}: got {key or 'no key'}; {nearest(key, keys)}")
    return _filled(stage, spec, key, tree)


def entries(tree: dict[str, Any], dvc_file: Path = Path("dvc.yaml")) -> list[Entry]:
    """Read all entries of dvc.yaml, in file order."""
    stages = read_yaml(dvc_file)["stages"].items()
    return [_filled(stage, spec, key, tree) for stage, spec in stages for key in _keys(spec, tree)]


def locked_stages(lock: Path = LOCK) -> dict[str, Any]:
    """Return the stages of a lock file, by DVC's names; none if there is no file.

    Numbers are texts here: libyaml, which reads such a file ten times faster, follows another
    version of YAML, in which other texts are numbers.

    DVC does not replace the file, it writes it anew: one that was changed just now, and cannot be
    read, is read again.

    Raises:
        UserError: the file is not what DVC writes.
    """
    while lock.is_file():
        is_settled = time.time() - lock.stat().st_mtime > WRITING_S
        text = lock.read_bytes()
        found = _stages_in(text)
        if found is not None and (is_settled or text.endswith(b"\n")):
            return found
        if is_settled:
            raise UserError(f"{lock}: not a lock file of DVC; restore it from git")
        time.sleep(0.05)
    return {}


def _stages_in(text: bytes) -> dict[str, Any] | None:
    import yaml  # type: ignore[import-untyped]

    try:
        tree = yaml.load(text, getattr(yaml, "CBaseLoader", yaml.BaseLoader))
        stages = tree["stages"]
    except (yaml.YAMLError, TypeError, KeyError):
        return None
    return stages if isinstance(stages, dict) else None


def ensembles_in(stages: dict[str, Any]) -> str | None:
    """Return DVC's hash of the fitted ensembles, to identify a state; None if there are none.

    Args:
        stages: what `locked_stages` returns.
    """
    outs = stages.get("ensemble", {}).get("outs", [])
    found = [out["md5"] for out in outs if out["path"] == "artifacts/ensemble"]
    return str(found[0]) if found else None


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files below a folder."""
    if path.is_file():
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    digest = sha256()
    for file_path in sorted(p for p in path.rglob("*") if p.is_file()):
        name = file_path.relative_to(path)
        if not any(map(is_litter, name.parts)):
            digest.update(f"{name} {content_hash(file_path)}\n".encode())
    return digest.hexdigest()


def _keys(spec: dict[str, Any], tree: dict[str, Any]) -> list[str]:
    return list(_lookup(tree, spec["foreach"].strip("${}"))) if "foreach" in spec else [""]


def _filled(stage: str, spec: dict[str, Any], key: str, tree: dict[str, Any]) -> Entry:
    names = dict(tree)
    if "foreach" in spec:
        names |= {"key": key, "item": _lookup(tree, spec["foreach"].strip("${}"))[key]}
        spec = spec["do"]
    deps, params, outs = (_paths(spec, part, names) for part in ("deps", "params", "outs"))
    return Entry(stage, key, deps, params, outs)


def _paths(spec: dict[str, Any], part: str, names: dict[str, Any]) -> tuple[str, ...]:
    # An item is a path, or a path with options: {path: {cache: false}}.
    items = (item if isinstance(item, str) else next(iter(item)) for item in spec.get(part, ()))
    return tuple(re.sub(r"\$\{(.+?)\}", lambda m: str(_lookup(names, m[1])), i) for i in items)


def _lookup(tree: dict[str, Any], dotted: str) -> Any:
    node: Any = tree
    for key in dotted.split("."):
        if not isinstance(node, dict) or key not in node:
            return None  # this part of params.yaml is left at its defaults
        node = node[key]
    return node
