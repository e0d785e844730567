"""Find the code that a packaged ensemble carries: what its modules import, and nothing else.

A file that no packaged model can reach costs a request each time the model is registered with a
server or loaded from one.
"""

import shutil
from modulefinder import ModuleFinder
from pathlib import Path

import pipeline
from pipeline.core.component import FAMILIES
from pipeline.core.files import read_json
from pipeline.ensembling.combiner import Combiner

INTERFACE = "pipeline.serving.pyfunc"
"""The module that MLflow runs when it loads the model."""


def components(combiner: Combiner, task: str, members: Path) -> set[str]:
    """Return the modules that a packaged ensemble loads by their names in its files.

    Args:
        members: the folder that holds a folder for each member, with its networks.
    """
    designs = members.glob("*/fold_*/design.json")
    named = {("model", read_json(path)["model"]["name"]) for path in designs}
    named |= {("task", task), ("method", combiner.method), ("calibrator", combiner.calibrator)}
    return {f"{FAMILIES[family]}.{name}" for family, name in named}


def files(modules: set[str]) -> list[Path]:
    """Return the files of these modules and of all that they import, also inside functions."""
    root = Path(pipeline.__file__).parents[1]
    finder = ModuleFinder(path=[f"{root}"])
    for module in sorted(modules):
        finder.import_hook(module)
    places: list[str | None] = [vars(found)["__file__"] for found in finder.modules.values()]
    return sorted(Path(place).relative_to(root) for place in places if place)


def copy_code(modules: set[str], target: Path) -> Path:
    """Copy the package as far as these modules need it into a folder, and return its copy."""
    root = Path(pipeline.__file__).parents[1]
    for file in files(modules):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / file, target / file)
    return target / pipeline.__name__
