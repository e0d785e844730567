"""A change repeats the work whose result it can change, and no other; asked of DVC itself."""

import json
import re
from typing import Any

import pytest

from pipeline.core.component import FAMILIES
from pipeline.core.files import read_json, read_yaml
from pipeline.core.paths import CODE, Layout
from tests.conftest import ROOT, Workspace

pytestmark = pytest.mark.slow

FITS = ("search", "train", "soup", "predict")  # what takes hours


def changed(workspace: Workspace) -> set[str]:
    """The stages that DVC would run for a change of their own dependencies."""
    printed = json.loads(workspace.run("dvc", "status", "--json"))
    return {
        stage
        for stage, found in printed.items()
        if any("changed deps" in change for change in found if isinstance(change, dict))
    }


def edit(workspace: Workspace, file: str) -> None:
    """Add a comment: what matters is that the file is another."""
    path = workspace.folder / file
    assert path.is_file()
    path.write_text(path.read_text() + "\n# Another comment.\n")


def hash_components(workspace: Workspace) -> None:
    """Run the one cheap stage that watches all models and losses."""
    assert started(workspace.run("dvc", "repro", "components")) == {"components"}


def test_a_new_component_changes_nothing(copy: Workspace) -> None:
    """In any family; the packaged model may carry any code, and is no result of training."""
    for family, package in FAMILIES.items():
        folder = copy.folder / package.replace(".", "/")
        some = next(path for path in sorted(folder.glob("*.py")) if path.stem != "__init__")
        (folder / f"new_{family}.py").write_text(some.read_text())
    assert changed(copy) == {"components", "package"}
    hash_components(copy)
    assert changed(copy) == {"package"}


def test_an_edited_loss_touches_the_recipes_that_use_it(copy: Workspace) -> None:
    copy.edit(lambda tree: tree["recipes"]["resnet"].update(loss={"name": "focal"}))
    hash_components(copy)
    copy.run("dvc", "commit", "--force")
    edit(copy, "pipeline/losses/focal.py")
    hash_components(copy)
    assert changed(copy) == {"search@resnet", "package"}
    # The search makes the choice again, and what its members are made of is another.
    copy.run("dvc", "repro", "--single-item", "search@resnet")
    assert changed(copy) == {"train@resnet_1", "soup", "report", "package"}
    edit(copy, "pipeline/losses/hinge.py")
    hash_components(copy)
    assert changed(copy) == {"train@resnet_1", "soup", "report", "package"}


def test_an_edited_architecture_touches_the_searches_that_may_choose_it(copy: Workspace) -> None:
    """A search whose choice stays the same leaves its members as they are."""

    def either(tree: dict[str, Any]) -> None:
        tree["recipes"]["cnn"]["search"] |= {
            "space": {"model.name": {"choices": ["cnn", "lenet"]}},
            "sampler": {"name": "grid"},
            "constraints": [{"metric": "num_parameters", "at_most": 20_000}],  # LeNet has 61,706
        }

    copy.edit(either)
    assert started(copy.run("dvc", "repro", "search")) == {"components", "search@cnn"}
    copy.run("dvc", "commit", "--force")
    edit(copy, "pipeline/models/architectures/airbench.py")
    hash_components(copy)
    assert changed(copy) == {"package"}
    edit(copy, "pipeline/models/architectures/lenet.py")
    hash_components(copy)
    assert changed(copy) == {"search@cnn", "package"}
    assert started(copy.run("dvc", "repro", "train")) == {"search@cnn"}
    edit(copy, "pipeline/models/architectures/cnn.py")
    hash_components(copy)
    assert started(copy.run("dvc", "repro", "train")) == {"search@cnn", "train@cnn_1"}


@pytest.mark.parametrize(
    ("room", "touched"),
    [
        ("core", {"package"}),
        ("execution", {"package"}),
        ("cli", {"package"}),
        ("tracking", {"package"}),
        ("callbacks", {"package"}),
        ("report", {"report", "package"}),
        ("evaluation", {"ensemble", "evaluate", "inspect", "report", "package"}),
        ("inspection", {"inspect", "package"}),
        ("serving", {"package"}),
        ("ensembling/methods", {"ensemble", "package"}),
        ("prediction", {"soup", "predict@cnn_1", "predict@resnet_1", "inspect", "package"}),
        ("preprocessing", {"preprocess", "package"}),
        ("augmentation/policies", {"augment", "components", "package"}),
        ("losses", {"components", "package"}),
        ("models/architectures", {"components", "package"}),
    ],
)
def test_an_edited_room_touches_the_stages_that_compute_with_it(
    room: str, touched: set[str], copy: Workspace
) -> None:
    """Every file of it but those of components that nothing uses."""
    for path in sorted((copy.folder / "pipeline" / room).glob("*.py")):
        edit(copy, f"{path.relative_to(copy.folder)}")
    assert changed(copy) == touched


def test_an_edited_recipe_leaves_the_members_of_others(copy: Workspace) -> None:
    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(lr=0.007))
    assert changed(copy) == {"components", "search@cnn", "report"}


def test_what_changes_no_bit_is_no_dependency(copy: Workspace) -> None:
    def watch(tree: dict[str, Any]) -> None:
        tree["execution"] = {"loader_workers": 2, "profiler": "simple", "timeout_s": 30}
        tree["execution"]["engine"] = {"name": "local", "parallel_fits": 3}
        tree["tracking"] = {"experiment": "other", "registered_model": "other"}

    copy.edit(watch)
    assert changed(copy) == set()


def test_a_wrong_parameter_costs_no_work(copy: Workspace) -> None:
    """DVC removes the outputs of an entry before it runs it, and keeps them in its cache."""
    chosen = Layout(copy.folder).search("cnn") / "chosen.json"
    before = chosen.read_bytes()
    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(lrr=0.1))
    printed = copy.run("dvc", "repro", status=255)
    assert "recipes.cnn.training.lrr: unknown key; allowed" in printed
    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].pop("lrr"))
    assert not started(copy.run("dvc", "repro"))
    assert chosen.read_bytes() == before


def test_a_parameter_that_is_set_back_repeats_nothing(copy: Workspace) -> None:
    """Everything comes from DVC's cache of runs, the records for MLflow included."""
    lock = (copy.folder / "dvc.lock").read_bytes()
    copy.run("convoy", "sync")
    status = copy.run("convoy", "status")
    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(lr=0.007))
    assert {"search@cnn", "train@cnn_1", "evaluate"} <= started(copy.run("dvc", "repro"))
    assert (copy.folder / "dvc.lock").read_bytes() != lock
    copy.edit(lambda tree: tree["recipes"]["cnn"]["training"].update(lr=0.005))
    assert not started(copy.run("dvc", "repro"))
    assert (copy.folder / "dvc.lock").read_bytes() == lock
    assert copy.run("convoy", "status") == status  # the same runs in MLflow as before


def started(printed: str) -> set[str]:
    """The entries whose commands DVC has run."""
    return set(re.findall("Running stage '(.+)'", printed))


def test_artifacts_carry_the_code_they_are_made_of(reproduced: Workspace) -> None:
    layout = Layout(reproduced.folder)
    searched = read_json(layout.search("cnn") / CODE)
    assert {"pipeline/training", "pipeline/losses/cross_entropy.py"} <= set(searched)
    assert "pipeline/losses/focal.py" not in searched
    member = read_json(layout.member("cnn_1") / CODE)
    assert "pipeline/models/architectures/cnn.py" in member
    assert member.items() <= searched.items()
    assert "pipeline/ensembling/methods/mean.py" in read_json(layout.ensemble / CODE)


def test_no_output_keeps_its_stage_from_the_cache_of_runs() -> None:
    """DVC takes nothing from it for an entry with an output that has `persist`."""
    stages = read_yaml(ROOT / "dvc.yaml")["stages"].values()
    assert all(type(out) is str for stage in stages for out in stage.get("do", stage)["outs"])
