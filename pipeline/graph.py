"""What dvc.yaml says of one stage entry: dependencies, parameters and outputs."""

import re
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from pipeline.errors import UserError, nearest
from pipeline.params import read

LOCK = Path("dvc.lock")


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
        """As it is called in MLflow and in folders: `train/cnn_1`."""
        return f"{self.stage}/{self.key}" if self.key else self.stage

    def settings(self, tree: dict[str, Any]) -> dict[str, Any]:
        """The part of params.yaml that this entry depends on, flat: `data.seed: 0`."""
        flat: dict[str, Any] = {}
        for dotted in self.params:
            flat |= _flatten(dotted, _lookup(tree, dotted))
        return flat

    def fingerprint(self, tree: dict[str, Any]) -> str:
        """Identity of the work: equal code, parameters and data give an equal fingerprint."""
        digest = sha256(f"{self.name}\n{sorted(self.settings(tree).items())}\n".encode())
        for dep in sorted(self.deps):
            digest.update(f"{dep} {content_hash(Path(dep))}\n".encode())
        return digest.hexdigest()


def entry(stage: str, key: str, tree: dict[str, Any], dvc_file: Path = Path("dvc.yaml")) -> Entry:
    """Read one entry of dvc.yaml, with its templates filled in.

    Raises:
        UserError: there is no such stage, or no such key in it.
    """
    stages = read(dvc_file)["stages"]
    if stage not in stages:
        raise UserError(f"{dvc_file}: no stage {stage!r}; {nearest(stage, stages)}")
    spec = stages[stage]
    names = dict(tree)
    if "foreach" in spec:
        items = _lookup(tree, spec["foreach"].strip("${}"))
        if key not in items:
            raise UserError(f"stages.{stage}: got {key or 'no key'}; {nearest(key, items)}")
        names |= {"key": key, "item": items[key]}
        spec = spec["do"]
    elif key:
        raise UserError(f"stages.{stage}: takes no key, got {key!r}; run it without one")
    deps, params, outs = (_paths(spec, part, names) for part in ("deps", "params", "outs"))
    return Entry(stage, key, deps, params, outs)


def entries(tree: dict[str, Any], dvc_file: Path = Path("dvc.yaml")) -> list[Entry]:
    """All entries of dvc.yaml, in its order."""
    found = []
    for stage, spec in read(dvc_file)["stages"].items():
        keys = _lookup(tree, spec["foreach"].strip("${}")) if "foreach" in spec else [""]
        found += [entry(stage, key, tree, dvc_file) for key in keys]
    return found


def ensembles_in(lock: Path) -> str | None:
    """DVC's hash of the fitted ensembles, which tells states apart; None before there are any."""
    if not lock.is_file():
        return None
    outs = read(lock)["stages"].get("ensemble", {}).get("outs", [])
    found = [out["md5"] for out in outs if out["path"] == "artifacts/ensemble"]
    return str(found[0]) if found else None


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files below a folder."""
    if path.is_file():
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    digest = sha256()
    for file_path in sorted(p for p in path.rglob("*") if p.is_file()):
        if "__pycache__" not in file_path.parts:
            digest.update(f"{file_path.relative_to(path)} {content_hash(file_path)}\n".encode())
    return digest.hexdigest()


def _paths(spec: dict[str, Any], part: str, names: dict[str, Any]) -> tuple[str, ...]:
    # An item is a path, or a path with options: {path: {cache: false}}.
    items = (item if isinstance(item, str) else next(iter(item)) for item in spec.get(part, ()))
    return tuple(re.sub(r"\$\{(.+?)\}", lambda m: str(_lookup(names, m[1])), i) for i in items)


def _lookup(tree: dict[str, Any], dotted: str) -> Any:
    node: Any = tree
    for key in dotted.split("."):
        if not isinstance(node, dict) or key not in node:
            return None  # a part of params.yaml that is left at its defaults
        node = node[key]
    return node


def _flatten(prefix: str, node: Any) -> dict[str, Any]:
    if isinstance(node, dict):
        return {k: v for key in node for k, v in _flatten(f"{prefix}.{key}", node[key]).items()}
    return {prefix: node}
