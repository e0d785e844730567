"""The errors that the chosen ensemble saves over the best single member, on five splits of the
data.

    python -m bench.gain digits|fashion_mnist [SPLITS] [FOLDER]

Each split is a run of the pipeline up to `ensemble` in its own folder, two at a time, with
`data.seed` as the split and different seeds for the members. The runs are kept in FOLDER where one
is given; a second call goes on with those that were killed, and fits the ensembles of all again.
Validation selects both the ensemble and the best single member: nobody could have picked another.
The member that was best on test, in hindsight, is shown as well. Fashion-MNIST is read from
data/raw/fashion-mnist.

It prints the errors on test for every split, and the proportion of errors that the ensemble saves:
the geometric mean over the splits, with Student's 95 % interval of the logarithms. Splits are the
units, as another split trains other networks on other images; to draw the test images of networks
taken as given made the interval half as wide. Splits share images, so it is for another split of
this data set, and not for another data set (C. Nadeau and Y. Bengio, Inference for the
Generalization Error, 2003).
"""

import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ruamel.yaml import YAML
from scipy.stats import t as student

from pipeline.config.load import load_params
from pipeline.core.paths import Layout
from pipeline.evaluation.systems import Tested

AT_ONCE = 2
PARTS = (
    "pipeline",
    "stages",
    "dvc.yaml",
    "params.yaml",
    "data/weights",
    ".dvcignore",
    ".gitignore",
)
MEMBERS = {
    "digits": {"cnn": 4, "resnet": 4},
    "fashion_mnist": {"cnn": 4},
}


class Split(NamedTuple):
    """Whether each test image was predicted wrongly, by three systems."""

    chosen: str
    ensemble: np.ndarray
    best: np.ndarray
    """The member that was best on validation."""
    hindsight: np.ndarray
    """The member that was best on test."""


def digits(tree: dict[str, Any]) -> None:
    """Use half of the images for test, so that there are errors to count."""
    tree["data"]["test_fraction"] = 0.5
    for recipe in tree["recipes"].values():
        del recipe["search"]


def fashion_mnist(tree: dict[str, Any]) -> None:
    """Use members that train in minutes: a narrow network, few epochs."""
    tree["hardware"]["threads"] = 1
    recipe = tree["recipes"]["cnn"]
    recipe["model"]["widths"] = [32, 64, 128]
    recipe["training"]["epochs"] = 3


EDITS = {"digits": digits, "fashion_mnist": fashion_mnist}
SOURCES = {"digits": "params.yaml", "fashion_mnist": "examples/fashion_mnist/params.yaml"}


def run(name: str, split: int, folder: Path) -> Split:
    copy_code(folder)
    raw = folder / "data/raw"
    raw.mkdir(parents=True, exist_ok=True)
    if name != "digits" and not (raw / "fashion-mnist").exists():
        (raw / "fashion-mnist").symlink_to(Path("data/raw/fashion-mnist").resolve())
    members = edit_params(name, split, folder / "params.yaml")
    stages = [
        ["preprocess"],
        ["augment"],
        ["components"],
        *(["search", recipe] for recipe in MEMBERS[name]),
        *(["train", member] for member in members),
        *(["predict", member] for member in members),
    ]
    for stage in [*stages, ["ensemble"]]:
        done = folder / "done" / "-".join(stage)
        if not done.exists() or stage == ["ensemble"]:
            start(stage, folder)
            done.parent.mkdir(exist_ok=True)
            done.touch()
    return read(folder)


def start(stage: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", f"stages.{stage[0]}", *stage[1:]]
    ended = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(f"{stage}: {ended.stdout}{ended.stderr}")


def copy_code(folder: Path) -> None:
    for part in PARTS:
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        if Path(part).is_dir():
            shutil.copytree(part, folder / part, dirs_exist_ok=True)
        else:
            shutil.copy(part, folder / part)


def edit_params(name: str, split: int, path: Path) -> list[str]:
    """Write the parameters of a split, and return the names of its members."""
    yaml = YAML(typ="safe")
    tree = yaml.load(Path(SOURCES[name]))
    EDITS[name](tree)
    tree["data"]["seed"] = split
    tree["members"] = {
        f"{recipe}_{i}": {"recipe": recipe, "seed": 100 * split + i}
        for recipe, num in MEMBERS[name].items()
        for i in range(num)
    }
    tree["tracking"] = {"live": False}
    yaml.dump(tree, path)
    return list(tree["members"])


def read(folder: Path) -> Split:
    tested = Tested.read(Layout(folder), load_params(folder / "params.yaml"))
    truth = tested.evaluator.targets
    wrong = {name: own.decided != truth for name, own in tested.systems.items()}
    return Split(
        tested.chosen,
        wrong[tested.chosen],
        wrong[tested.best_member],
        min((wrong[member] for member in tested.members), key=np.sum),
    )


def saved(splits: list[Split], of: str) -> tuple[float, float, float]:
    """Return the proportion of errors that the ensembles save, and its interval."""
    counts = np.array([[split.ensemble.sum(), getattr(split, of).sum()] for split in splits])
    # Half an error is added to each, so that a split without any still has a logarithm.
    logs = np.log(counts[:, 0] + 0.5) - np.log(counts[:, 1] + 0.5)
    num = len(logs)
    far = student.ppf(0.975, num - 1) * logs.std(ddof=1) / num**0.5
    value, high, low = 1 - np.exp(logs.mean() + np.array([0, -far, far]))
    return float(value), float(low), float(high)


def main() -> None:
    name = sys.argv[1]
    num_splits = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    if num_splits < 2:
        sys.exit(f"SPLITS: got {num_splits}; allowed 2 or more, as they are the units")
    print("| split | chosen | test images | its errors | best on validation | best on test |")
    print("|---|---|---|---|---|---|", flush=True)
    splits: list[Split] = []
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(AT_ONCE) as pool:
        root = Path(sys.argv[3] if len(sys.argv) > 3 else made)
        numbers = range(num_splits)
        for split in pool.map(lambda number: run(name, number, root / f"{number}"), numbers):
            errors = " | ".join(f"{wrong.sum()}" for wrong in split[1:])
            row = f"| {len(splits)} | {split.chosen} | {len(split.best)} | {errors} |"
            print(row, flush=True)
            splits.append(split)
    for of, measured_on in (("best", "validation"), ("hindsight", "test")):
        share = "{:.1%} [{:.1%}, {:.1%}]".format(*saved(splits, of))
        print(f"fewer errors than the member that was best on {measured_on}: {share}")


if __name__ == "__main__":
    main()
