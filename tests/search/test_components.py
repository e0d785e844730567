"""The model and the loss as axes of a search: conditions, every way to search, and members."""

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from pipeline.config.components import component_code
from pipeline.config.load import parse_params
from pipeline.config.recipes import override
from pipeline.config.search import Settings
from pipeline.core.component import make
from pipeline.core.dvcfile import content_hash
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, read_yaml
from pipeline.core.paths import CODE, Layout
from pipeline.evaluation.tables import read as read_table
from pipeline.search.choice import choose, chosen, kept
from pipeline.search.importance import importances
from pipeline.search.space import SearchSpace
from pipeline.search.table import read, write
from tests.conftest import ROOT, Workspace, brief, small
from tests.search.simulated import Simulated, run_once, spec

AXES: dict[str, Any] = {
    "model.widths": {"choices": [[8, 16], [16, 32]], "if": {"model.name": "resnet"}},
    "model.convs_per_block": {"low": 1, "high": 3, "if": {"model.name": "cnn"}},
    "model.name": {"choices": ["cnn", "resnet", "lenet"]},
    "loss.name": {"choices": ["cross_entropy", "focal"]},
    "loss.gamma": {"low": 0.5, "high": 4.0, "if": {"loss.name": "focal"}},
    "training.lr": {"low": 0.001, "high": 0.1, "log": True},
}
OF = {"model.widths": "resnet", "model.convs_per_block": "cnn", "loss.gamma": "focal"}
SAMPLERS = ("tpe", "gp", "cma_es", "qmc", "random")


def loss(settings: Settings, *_: int) -> float:
    """Lowest for a resnet with the first widths, whatever the loss."""
    names = {"resnet": 0.0, "cnn": 1.0, "lenet": 2.0}
    return names[f"{settings['model.name']}"] + (settings.get("model.widths") == (16, 32)) * 0.5


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_sampler_finds_the_best_architecture_and_its_settings(
    sampler: str, tmp_path: Path
) -> None:
    wanted = spec(space=AXES, sampler={"name": sampler}, budget={"trials": 30})
    trials = run_once(tmp_path, wanted, Simulated(loss=loss))
    first = trials[0].settings
    assert (first["model.name"], first["loss.name"]) == ("cnn", "cross_entropy")
    assert first["model.convs_per_block"] == 1
    for trial in trials:
        own = {trial.settings["model.name"], trial.settings["loss.name"]}
        assert {key for key in OF if key in trial.settings} == {k for k in OF if OF[k] in own}
    best = chosen(wanted.recipe, choose(wanted, trials)[0])
    assert best.model.name == "resnet"
    assert best.model.model_dump()["widths"] == (8, 16)
    assert best.model.model_dump()["blocks_per_stage"] == 1  # its own default
    shares = importances(wanted, trials)
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    assert set(AXES) == set(shares)


def test_a_grid_has_each_architecture_with_its_own_axes_alone(tmp_path: Path) -> None:
    space = {k: axis for k, axis in AXES.items() if "choices" in axis}
    trials = run_once(tmp_path, spec(space=space, sampler={"name": "grid"}))
    assert len(trials) == (1 + 2 + 1) * 2
    assert trials[0].settings == {"model.name": "cnn", "loss.name": "cross_entropy"}
    assert len({tuple(sorted(trial.settings.items())) for trial in trials}) == 8


def test_another_study_learns_from_its_table(tmp_path: Path) -> None:
    wanted, file = spec(space=AXES), tmp_path / "trials.csv"
    trials = run_once(tmp_path, wanted, Simulated(loss=loss))
    write(file, wanted.metrics, wanted.monitor, trials)
    found = read(file, wanted)
    space = SearchSpace(wanted.search.space)
    assert [one.params for one in found] == [space.encode(trial.settings) for trial in trials]
    narrow = {key: axis for key, axis in AXES.items() if key != "model.widths"}
    narrow["model.name"] = {"choices": ["cnn", "lenet"]}
    others = [trial for trial in trials if trial.settings["model.name"] != "resnet"]
    assert [one.values[0] for one in read(file, spec(space=narrow))] == [
        t.values[0] for t in others
    ]


def test_kept_networks_may_have_different_architectures(tmp_path: Path) -> None:
    wanted = spec(space=AXES, sampler={"name": "random"}, epochs=40, keep=20)
    trials = run_once(tmp_path, wanted, Simulated(loss=loss))
    networks = [chosen(wanted.recipe, trial).model.name for trial in kept(wanted, trials)]
    assert networks == sorted(networks, key=["resnet", "cnn", "lenet"].index)
    assert set(networks) == {"resnet", "cnn", "lenet"}


def test_another_component_starts_from_its_own_defaults() -> None:
    recipe = spec().recipe
    other = override(recipe, {"model.name": "resnet", "loss.name": "focal"})
    assert other.model.model_dump()["widths"] == (16, 32, 64)
    assert other.loss.model_dump()["gamma"] == 2.0
    same = override(recipe, {"model.name": "cnn", "loss.name": "cross_entropy"})
    assert same == recipe


def test_a_recipe_s_policy_is_searched_and_one_that_it_lacks_is_not() -> None:
    recipe = spec().recipe
    with pytest.raises(UserError, match=r"policy.pad_px: policy is null; set it in the recipe"):
        override(recipe, {"policy.pad_px": 3})
    own = recipe.model_copy(update={"policy": make("policy", "crop_flip")})
    assert override(own, {"policy.pad_px": 3}).policy.model_dump()["pad_px"] == 3
    other = override(own, {"policy.name": "randaugment", "policy.magnitude": 3})
    assert (other.policy.name, other.policy.model_dump()["magnitude"]) == ("randaugment", 3)
    with pytest.raises(UserError, match=r"policy.pad_px: got -1; allowed greater than or"):
        override(own, {"policy.pad_px": -1})


def test_the_hashes_are_those_of_all_that_a_search_may_choose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    tree = read_yaml(ROOT / "params.yaml")
    tree["recipes"]["cnn"]["policy"] = {"name": "light"}
    tree["recipes"]["cnn"]["search"]["space"] = {
        "model.name": {"choices": ["resnet", "lenet"]},
        "policy.name": {"choices": ["none", "heavy"]},
    }
    recipes = parse_params(tree, "test").recipes
    models, losses = "pipeline/models/architectures", "pipeline/losses"
    used = [f"{models}/{name}.py" for name in ("cnn", "lenet", "resnet")]
    used.append(f"{losses}/cross_entropy.py")
    policies = [f"pipeline/augmentation/policies/{name}.py" for name in ("heavy", "light", "none")]
    hashes = {file: content_hash(Path(file)) for file in used + policies}
    assert component_code(recipes["cnn"]) == hashes
    assert list(component_code(recipes["resnet"])) == [used[2], used[3]]


EPOCHS = 2


def either(tree: dict[str, Any]) -> None:
    """A recipe whose own network is far too narrow, so that another architecture is chosen."""
    tree["recipes"]["cnn"] |= {
        "model": {"name": "cnn", "widths": [1]},
        "policy": {"name": "light"},
        "training": {"epochs": EPOCHS, "batch_size": 64, "lr": 0.005},
        "search": {
            "budget": {"trials": 3}, "epochs": EPOCHS, "keep": 3,
            "sampler": {"name": "grid"},
            "objectives": ["val/accuracy", "num_parameters"],
            "space": {
                "model.name": {"choices": ["cnn", "resnet"]},
                "model.widths": {"choices": [[8, 8], [8, 16]], "if": {"model.name": "resnet"}},
            },
        },
    }  # fmt: skip
    tree["members"] = {
        "first": {"recipe": "cnn/best_1"},
        "last": {"recipe": "cnn/best_3"},
        "trained": {"recipe": "cnn"},
        "other": {"recipe": "cnn", "seed": 1, "init_seed": 0},
    }
    tree["soups"] = {"mixed": {"members": ["trained", "other"]}}


@pytest.mark.slow
def test_an_architecture_that_a_search_has_chosen_is_trained_and_goes_all_the_way(
    tmp_path: Path,
) -> None:
    workspace = Workspace(tmp_path / "work")
    workspace.edit(small)
    workspace.edit(either)
    workspace.edit(brief)
    workspace.run("dvc", "repro")
    layout = Layout(workspace.folder)
    trials = read_table(layout.search("cnn") / "trials.csv")
    assert [trial["model.name"] for trial in trials] == ["cnn", "resnet", "resnet"]
    assert [bool(trial["model.widths"]) for trial in trials] == [False, True, True]
    assert read_json(layout.search("cnn") / "chosen.json")["policy"]["name"] == "light"
    assert "0" in {f"{trial}" for trial in read_json(layout.search("cnn") / "study.json")["front"]}
    built = {name: read_json(layout.member(name) / "fold_0/design.json")["model"]["name"]
             for name in ("first", "last", "trained", "other")}  # fmt: skip
    assert built == {"first": "resnet", "last": "cnn", "trained": "resnet", "other": "resnet"}
    first, second = (
        load_file(layout.member(name) / "fold_0/weights.safetensors")
        for name in ("first", "trained")
    )
    assert first.keys() == second.keys()
    assert all(first[name].equal(second[name]) for name in first)
    for name, model in built.items():  # a member has the code of its own network alone
        files = [file for file in read_json(layout.member(name) / CODE) if "architectures" in file]
        assert files == [f"pipeline/models/architectures/{model}.py"]
    assert (layout.soup("mixed") / "fold_0/weights.safetensors").is_file()
    compared = read_json(layout.comparison)["systems"]
    assert {*built, "mixed"} < set(compared)
    assert "model.name" in layout.report.read_text()
