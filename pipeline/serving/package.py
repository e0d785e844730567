"""Write the ensemble as an MLflow model that loads anywhere and has reproducible bytes."""

import base64
import logging
import os
import shutil
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")
import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from pipeline.config.networks import networks_of, sets_of
from pipeline.config.params import Params
from pipeline.core.artifacts import Card
from pipeline.core.dvcfile import content_hash
from pipeline.core.files import write_json
from pipeline.core.kind import Kind
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.images.decode import MAX_PIXELS
from pipeline.serving.carried import INTERFACE, components, copy_code
from pipeline.serving.layout import FORMAT, SETTINGS
from pipeline.serving.table import CONTENTS, Content

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

NEEDED = (
    "jaxtyping",
    "mlflow",
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pydantic",
    "ruamel.yaml",
    "safetensors",
    "scipy",
    "simplejpeg",
    "torch",
)


def package(
    inputs: Layout, combiner: Combiner, params: Params, scratch: Path, target: Path
) -> None:
    """Collect the members that contribute, and write the model to `target`."""
    ensemble = scratch / "ensemble"
    combiner = combiner.without_idle()
    combiner.save(ensemble / "combiner.json")
    write_json(ensemble / SETTINGS, _how(combiner, params))
    shutil.copy(inputs.card, ensemble / "card.json")
    sets = sets_of(inputs, params.serving.model, params)
    if sets.is_file():
        shutil.copy(sets, ensemble / "sets.json")
    for name in combiner.members:
        without_history = shutil.ignore_patterns("history.csv")
        folder = networks_of(inputs, name, params)
        shutil.copytree(folder, ensemble / "members" / name, ignore=without_history)
    named = components(combiner, params.task.name, ensemble / "members")
    code = copy_code({INTERFACE, *named}, scratch / "code")
    _save(target, code, ensemble, Card.load(inputs.card), combiner.prediction_type.kind)
    _without_chance(target / "MLmodel", content_hash(ensemble))


def _how(combiner: Combiner, params: Params) -> dict[str, Any]:
    """Return how members predict, as the stage `predict` lets them."""
    hardware = {
        "precision": params.hardware.precision,
        "memory_format": params.hardware.memory_format,
    }
    views = {name: params.prediction.of(name).model_dump() for name in combiner.members}
    return {"format": FORMAT, "task": params.task.name, "test_time": views, "hardware": hardware}


def _save(target: Path, code: Path, ensemble: Path, card: Card, kind: Kind) -> None:
    import pandas as pd
    from mlflow.pyfunc import save_model  # takes 1 s to import

    logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)
    save_model(
        target,
        python_model=str(code / "serving" / "pyfunc.py"),
        artifacts={"ensemble": str(ensemble)},
        code_paths=[str(code)],
        pip_requirements=[f"{name}=={version(name)}" for name in NEEDED],
        signature=signature(kind),
        input_example=pd.DataFrame({"image": [example(card.image_shape)]}),
        model_config={"max_pixels": MAX_PIXELS},
    )


def signature(kind: Kind) -> "ModelSignature":
    """Return the columns of a request and of its answer; any number of rows."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, Array, ColSpec, DataType, Map, Schema

    types: dict[Content, Any] = {
        "name": DataType.string,
        "names": Array(DataType.string),
        "numbers": Map(DataType.double),
    }
    made = [ColSpec(types[held], name, required=False) for name, held in CONTENTS[kind].items()]
    error = ColSpec(DataType.string, "error", required=False)
    image = ColSpec(AnyType(), "image")  # type: ignore[no-untyped-call]
    return ModelSignature(Schema([image]), Schema([*made, error]))


def example(shape: tuple[int, int, int]) -> str:
    """Return a picture of grey steps as the base64 text of a PNG file."""
    height, width, _ = shape
    steps = np.linspace(0, 255, width).round().astype(np.uint8)
    file = BytesIO()
    Image.fromarray(np.tile(steps, (height, 1))).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _without_chance(path: Path, fingerprint: str) -> None:
    """Replace the random id, the time and the path that MLflow writes by reproducible values."""
    yaml = YAML()
    tree = yaml.load(path.read_text())
    function = tree["flavors"]["python_function"]
    function["model_code_path"] = Path(function["model_code_path"]).name
    function["artifacts"]["ensemble"]["uri"] = function["artifacts"]["ensemble"]["path"]
    tree["model_uuid"] = uuid5(NAMESPACE_URL, fingerprint).hex
    tree["utc_time_created"] = "1970-01-01 00:00:00.000000"
    with path.open("w") as file:
        yaml.dump(tree, file)
