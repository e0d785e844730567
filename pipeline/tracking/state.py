"""The run of one state of the pipeline: the first page that people see."""

import json
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.config.distillation import ENSEMBLE
from pipeline.config.networks import model_in
from pipeline.core import dvcfile
from pipeline.core.artifacts import Card
from pipeline.core.files import read_json
from pipeline.core.git import git
from pipeline.core.markdown import figure, sentence, systems
from pipeline.core.paths import Layout
from pipeline.core.run_log import LAST, RUN_FILE
from pipeline.core.tree import flatten
from pipeline.tracking.datasets import Datasets, name_of
from pipeline.tracking.document import Document, File, Model

CODE = ("pipeline", "stages", "dvc.yaml")
NOTE = "mlflow.note.content"  # shown as the description of a run
ENSEMBLES = "convoy.ensembles"  # DVC's hash of the ensembles, by which a commit is found
LOCKED = "convoy.lock"  # see `lock_hash`; by it, one of several commits is chosen
PICTURE = "differences.svg"
SHOWN = (PICTURE, "learning_curves.svg", "reliability.svg")
"""The plots of the report that the run of a state shows itself."""


RUN_ID = "RUN_ID"
"""Stands in a description for the id of the run, which is not known before there is one."""


def fingerprint(tree: dict[str, Any], data: str) -> str:
    """Identify a state by everything that shapes its results: parameters, code and data."""
    code = [dvcfile.content_hash(Path(path)) for path in CODE]
    return sha256(f"{_shaping(tree)}{code}{data}".encode()).hexdigest()


def _shaping(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters without those that change no result, of which one holds a password."""
    return {key: part for key, part in tree.items() if key not in ("tracking", "execution")}


def document(
    tree: dict[str, Any],
    models: dict[str, Model],
    datasets: Datasets,
    is_evaluated: bool = True,
) -> Document | None:
    """Return what the run of the present state says; None before its data is preprocessed.

    Args:
        is_evaluated: whether the comparison is that of this state, and not of an earlier one.
    """
    layout = Layout()
    if not layout.card.is_file():
        return None
    card = Card.load(layout.card)
    is_evaluated = is_evaluated and layout.comparison.is_file()
    compared = read_json(layout.comparison) if is_evaluated else {}
    chosen = compared.get("chosen", "")
    files = [*(layout.plots / name for name in SHOWN), layout.report] if compared else []
    shown = [path for path in files if path.is_file()]
    return Document(
        name=_name(tree["data"], compared),
        fingerprint=fingerprint(tree, card.fingerprint),
        folder=layout.runs / "evaluate" if compared else Path(os.devnull),
        begun=layout.runs / "preprocess" / RUN_FILE,
        params={key: str(value) for key, value in flatten(_shaping(tree)).items()},
        tags={
            "convoy.stage": "pipeline",
            "convoy.data": card.fingerprint,
            "mlflow.source.name": "dvc.yaml",
            NOTE: note(
                compared,
                datasets.num_images,
                card.classes,
                model=model_in(tree),
                has_picture=layout.plots / PICTURE in shown,
            ),
            **revision(),
            **_hashes(tree),
        },
        datasets=datasets.read_by("evaluate"),
        reads=(models[chosen],) if chosen in models else (),
        files=tuple(map(File, shown)),
    )


def note(
    compared: dict[str, Any],
    num_images: Mapping[str, int],
    names: Sequence[str],
    *,
    model: str = ENSEMBLE,
    has_picture: bool = False,
) -> str:
    """Return the description in Markdown: what was found, on which data, and how to repeat it.

    Args:
        compared: the content of comparison.json; empty before there is one.
        num_images: by split.
        names: the classes, labels or values of the data.
        model: what `serving.model` says.
        has_picture: the run has the artifact PICTURE.
    """
    images = ", ".join(f"{num:,} {split}" for split, num in num_images.items())
    of = f" of {len(names)} {compared['kind']}" if compared else ""
    parts = [
        f"**{sentence(compared['verdict'])}**" if compared else "Not evaluated yet.",
        sentence(compared["resolved"]) if compared else "",
        _packaged(compared, model) if compared else "",
        "\n".join(map(sentence, compared.get("students", ()))),
        "\n".join(map(sentence, compared.get("advice", ()))),
        systems(compared) if compared else "",
        f"![How the systems differ](get-artifact?path={PICTURE}&run_uuid={RUN_ID})"
        if has_picture
        else "",
        f"Data: {images} images{of}.",
        _way_back(),
    ]
    return "\n\n".join(part for part in parts if part)


def _packaged(compared: dict[str, Any], model: str) -> str:
    """Return which student is packaged, as the name of the state tells of the ensemble."""
    own = compared["systems"].get(model)
    if model == ENSEMBLE or own is None:
        return ""
    headline = compared["headline"]
    return f"Packaged is the student {model}: {headline.replace('_', ' ')} {figure(own[headline])}."


def _way_back() -> str:
    """Return how to compute this state again: its commit, or the run's id until there is one."""
    committed, own = git("show", f"HEAD:{dvcfile.LOCK}"), dvcfile.LOCK
    if committed and own.is_file() and committed == own.read_text().strip():
        return f"Reproduce: `convoy reproduce {(git('rev-parse', 'HEAD') or '')[:12]}`."
    return f"Reproduce: `convoy reproduce {RUN_ID}`, once `{own}` is committed."


def _name(data: dict[str, Any], compared: dict[str, Any]) -> str:
    """Return a short name that a person can say: the data, the headline figure and the commit."""
    name = name_of(data)
    if compared:
        value = compared["systems"][compared["chosen"]][compared["headline"]]["value"]
        name += f" {value:.4f}"
    commit = git("describe", "--always", "--exclude=*", "--dirty", "--abbrev=7")
    return f"{name} · {commit}" if commit else name


def revision() -> dict[str, str]:
    """Return the commit that is checked out, and whether the files are as committed."""
    commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "-uno")
    if commit is None:
        return {}  # not a git checkout, or one without a commit
    return {
        "mlflow.source.git.commit": commit,
        "mlflow.source.git.dirty": str(bool(changes)).lower(),
    }


def _hashes(tree: dict[str, Any]) -> dict[str, str]:
    """Return the hashes of DVC's lock file and of the fitted ensembles."""
    stages = dvcfile.locked_stages()
    if not stages:
        return {}
    found = {LOCKED: lock_hash(stages, tree)}
    ensembles = dvcfile.ensembles_in(stages)
    return found | ({ENSEMBLES: ensembles} if ensembles else {})


def lock_hash(stages: dict[str, Any], tree: dict[str, Any]) -> str:
    """Return the hash of the stages of DVC's lock file, and of the parameters.

    The stages that run last are not in the file yet when they bring MLflow up to date, so that the
    parameters stand for them.
    """
    held = {name: entry for name, entry in stages.items() if name not in LAST}
    return sha256(f"{json.dumps(held, sort_keys=True)}{_shaping(tree)}".encode()).hexdigest()
