"""Write the ensemble as an MLflow model that loads anywhere and has reproducible bytes."""

import logging
import os
import shutil
from importlib.metadata import version
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")
from ruamel.yaml import YAML

import pipeline
from pipeline.config.params import Params
from pipeline.core.dvcfile import content_hash
from pipeline.core.files import write_json
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.prediction.folders import folder_of

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
    views = {name: params.prediction.of(name).model_dump() for name in combiner.members}
    write_json(ensemble / "prediction.json", {"task": params.task.name, "test_time": views})
    shutil.copy(inputs.card, ensemble / "card.json")
    if inputs.sets.is_file():
        shutil.copy(inputs.sets, ensemble / "sets.json")
    for name in combiner.members:
        without_history = shutil.ignore_patterns("history.csv")
        folder = folder_of(inputs, name, params)
        shutil.copytree(folder, ensemble / "members" / name, ignore=without_history)
    code = scratch / "code" / "pipeline"
    source = Path(pipeline.__file__).parent
    shutil.copytree(source, code, ignore=shutil.ignore_patterns("__pycache__"))
    _save(target, code, ensemble)
    _without_chance(target / "MLmodel", content_hash(ensemble))


def _save(target: Path, code: Path, ensemble: Path) -> None:
    from mlflow.pyfunc import save_model  # takes 1 s to import

    # MLflow asks for a signature, but that would allow arrays alone and fix their size.
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)
    save_model(
        target,
        python_model=str(code / "serving" / "pyfunc.py"),
        artifacts={"ensemble": str(ensemble)},
        code_paths=[str(code)],
        pip_requirements=[f"{name}=={version(name)}" for name in NEEDED],
    )


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
