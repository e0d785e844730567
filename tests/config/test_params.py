"""params.yaml: each error is reported in one line, with the allowed values."""

import copy
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.hardware import Strategy
from pipeline.config.load import load_params, parse_params
from pipeline.config.params import monitor
from pipeline.config.recipes import override
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml
from tests.conftest import ROOT, Workspace

TREE = read_yaml(ROOT / "params.yaml")
CNN = ("recipes", "cnn")
SPACE = (*CNN, "search", "space")

THAWED_LATE = {
    "model": {"name": "timm", "pretrained": True},
    "loss": {"name": "cross_entropy"},
    "training": {"epochs": 9, "batch_size": 64, "lr": 0.1, "transfer": {"frozen_epochs": 3}},
    "search": {
        "budget": {"trials": 1},
        "epochs": 3,
        "space": {"training.lr": {"low": 0.1, "high": 1.0}},
    },
}

REFUSALS = [
    (("trainng",), 1, "trainng: unknown key; allowed augmentation, data,"),
    (
        (*CNN, "trainng"),
        1,
        "unknown key; allowed loss, model, policy, search, training; nearest training",
    ),
    (
        (*CNN, "model", "width"),
        [1],
        "recipes.cnn.model.width: unknown key",
    ),
    ((*CNN, "model", "widths"), [0], "recipes.cnn.model.widths.0: got 0; allowed greater than"),
    ((*CNN, "model", "widths"), "32", "recipes.cnn.model.widths: got '32'; allowed a list"),
    (
        (*CNN, "model", "name"),
        "resnett",
        "got 'resnett'; allowed airbench, cnn, lenet, resnet, timm, torchvision; nearest resnet",
    ),
    (
        (*CNN, "model"),
        {"widths": [1]},
        "recipes.cnn.model.name: missing; allowed airbench, cnn, lenet, resnet, timm, torchvision",
    ),
    ((*CNN, "model"), "cnn", "model: got 'cnn'; write {name: ...}; allowed airbench, cnn,"),
    ((*CNN, "model"), None, "recipes.cnn.model: got null; write {name: ...}; allowed airbench"),
    ((*CNN, "model"), {"name": "Resnet"}, "got 'Resnet'; allowed airbench, cnn, lenet, resnet"),
    ((*CNN, "model"), {"name": "RESNET"}, "torchvision; nearest resnet"),
    ((*CNN, "training", "optimiser"), "lion", "write {name: ...}; allowed adam, adamw, lion, muo"),
    ((*CNN, "training", "optimiser"), {}, "optimiser.name: missing; allowed adam, adamw, lion"),
    (
        (*CNN, "training", "epochs"),
        "40",
        "epochs: got '40'; allowed a whole number; without quotes",
    ),
    (
        (*CNN, "training", "optimiser"),
        {"name": "adam", "betas": [0.1, 0.2, 0.3]},
        "optimiser.betas: got [0.1, 0.2, 0.3]; allowed at most 2 of them",
    ),
    (("data", "image"), {"size_px": "big"}, "allowed a whole number, a list, [a, b] or null"),
    (("data", "image"), {"size_px": [8, 0]}, "size_px.1: got 0; allowed greater than 0"),
    (("data", "near_duplicate_distance"), 0.7, "equal to 0.5, 'auto' or null"),
    (("data", "near_duplicate_distance"), "auot", "got 'auot'; allowed a number, null or auto; ne"),
    (("tracking",), {"registered_model": "o'brien"}, "allowed a name without quotes, slashes and"),
    (("ensemble", "class_shares"), "unifrom", "allowed a mapping, `key: value` or as_found, unifo"),
    (("data", "image"), {"size_px": [8]}, "got [8]; allowed a whole number, a longer list or null"),
    (("task",), "multiclass", "task: got 'multiclass'; write {name: ...}; allowed binary, multic"),
    (("task",), [], "task: got []; write {name: ...}; allowed binary, multiclass"),
    ((*CNN, "training", "lr"), "fast", "recipes.cnn.training.lr: got 'fast'; allowed a number"),
    ((*CNN, "training", "lr"), -1, "recipes.cnn.training.lr: got -1; allowed greater than 0"),
    ((*CNN, "training", "lr"), float("nan"), "got nan; allowed a finite number"),
    ((*CNN, "training"), {"epochs": 1}, "recipes.cnn.training.batch_size: missing"),
    (
        ("soups", "soup_1"),
        {"members": ["cnn_1"]},
        "soups.soup_1.members: got ['cnn_1']; allowed at least 2",
    ),
    (
        ("soups", "soup_1"),
        {"members": ["cnn_1", "cnn_9"]},
        "soups.soup_1.members: got 'cnn_9'; allowed cnn_1, cnn_2, resnet_1, resnet_2; nearest cnn_",
    ),
    (("soups", "soup_1"), {"members": ["cnn_1", "cnn_1"]}, "got 'cnn_1' twice; allowed once"),
    (
        ("soups", "soup_1"),
        {"members": ["cnn_1", "cnn_2"]},
        "cnn_1 is initialised with seed 1, cnn_2 with seed 2; allowed one seed for all; set "
        "members.cnn_2.init_seed: 1",
    ),
    (
        ("soups", "soup_1"),
        {"members": ["cnn_1", "resnet_1"]},
        "cnn_1 and resnet_1 have different architectures; allowed members of one recipe, or of",
    ),
    (("soups", "cnn_1"), {"members": ["cnn_1", "cnn_2"]}, "may not have the name of a member"),
    ((*SPACE, "training.lrr"), {"low": 1, "high": 2}, "training.lrr: unknown key of a recipe;"),
    ((*SPACE, "training.lr"), {"low": 2, "high": 1}, "allowed low below high"),
    ((*SPACE, "training.lr"), {"low": -1.0, "high": 1.0}, "training.lr: got -1.0; allowed greater"),
    ((*SPACE, "training.lr"), {"lo": 1, "high": 2}, "space.training.lr.low: missing"),
    ((*SPACE, "model.dropout"), {"choices": ["a"]}, "model.dropout: got 'a'; allowed a number"),
    (
        (*SPACE, "model.widths.0"),
        {"choices": [8]},
        "model.widths.0: model.widths is [32, 64], which has no keys; allowed a key of a mapping",
    ),
    ((*SPACE, "training.lr"), 0.1, "training.lr: got 0.1; allowed {low: a, high: b} or {choices:"),
    ((*SPACE, "training.lr"), {"min": 1}, "got {min: 1}; allowed {low: a, high: b} or {choices:"),
    ((*SPACE, "training.lr"), {"low": "a", "high": 1}, "lr.low: got 'a'; allowed a number"),
    (
        (*SPACE, "training.lr"),
        {"choices": [[1, 2]]},
        "search.space: training.lr: got [1, 2]; allowed a number",
    ),
    (
        (*SPACE, "loss.name"),
        {"choices": ["cross_entropy", "binary_cross_entropy"]},
        "recipes.cnn.search.space: loss.name: got 'binary_cross_entropy', which does not fit task",
    ),
    (
        (*CNN, "model"),
        {"name": "timm", "pretrained": "weights/a.pth"},
        "recipes.cnn.model.pretrained: got 'weights/a.pth'; allowed true, false or a file below da",
    ),
    ((*CNN, "model"), {"name": "timm", "pretrained": "data/weights/../a.pth"}, "or a file below"),
    (
        (*SPACE, "model.name"),
        {"choices": ["vit"]},
        "recipes.cnn.search.space: model.name: got 'vit'; allowed airbench, cnn, lenet, resnet, ti",
    ),
    (
        (*SPACE, "model.name"),
        {"choices": ["cnn", "lenet"]},
        "space: model.dropout: unknown key of a recipe; allowed activation, name, pooling with "
        "model.name 'lenet'; give the axis an `if`, or change it",
    ),
    (
        (*CNN, "loss"),
        {"name": "mse"},
        "got 'mse', which does not fit task multiclass; allowed cross_",
    ),
    (("members", "cnn_1", "recipe"), "cn", "got 'cn'; allowed cnn, resnet; nearest cnn"),
    (("members", "CNN 1"), {"recipe": "cnn"}, "allowed lower-case letters, digits and _"),
    (("members", "mean"), {"recipe": "cnn"}, "may not have the name of an ensemble method"),
    (("members",), {}, "members: got {}; allowed at least 1"),
    (("hardware", "precision"), "fp16", "got 'fp16'; allowed auto, bf16, fp32; nearest bf16"),
    (
        (*CNN, "training", "transfer"),
        {"gradual": True},
        "got {gradual: true}; allowed gradual only with frozen_epochs of 1 or more",
    ),
    (
        (*CNN, "training", "transfer"),
        {"frozen_epochs": None},
        "cnn.training.transfer.frozen_epochs: got null, but the model's weights are not pretrained",
    ),
    (
        CNN,
        THAWED_LATE,
        "cnn.training.transfer.frozen_epochs: got 3, but a fit or trial has 3 epochs; allowed",
    ),
    (
        (*SPACE, "training.transfer.frozen_epochs"),
        {"choices": [0, 2]},
        "search.space: training.transfer.frozen_epochs: got 2, but the model's weights",
    ),
    (
        (*CNN, "training", "transfer"),
        {"lr_decay_by_depth": 0.0},
        "transfer.lr_decay_by_depth: got 0.0; allowed greater than 0",
    ),
    (("hardware", "memory_format"), "nhwc", "got 'nhwc'; allowed auto, channels_last, contiguous"),
    (
        ("hardware", "sharding"),
        "full",
        "hardware.sharding: unknown key; use hardware.strategy, with fsdp for full and auto for",
    ),
    (("hardware", "strategy"), "dp", "hardware.strategy: got 'dp'; allowed auto, ddp"),
    (("hardware",), {"strategy": "fsdp"}, "got fsdp with 1 device; allowed only with more; set"),
    (("hardware",), {"strategy": "fsdp_cpu_offload"}, "hardware.strategy: got fsdp_cpu_offload wi"),
    (("execution",), {"timeout_s": 0}, "execution.timeout_s: got 0; allowed greater than 0"),
    (("execution",), {"profiler": "cprofile"}, "allowed advanced, pytorch, simple"),
    (("hardware", "compile"), "yes", "hardware.compile: got 'yes'; allowed"),
    (("hardware",), {"compile": True, "devices": 2}, "got true with 2 devices; allowed only with"),
    (("hardware", "devices"), 3, "batch_size: got 64; allowed a multiple of 3, hardware.devices"),
    (("hardware", "devices"), True, "hardware.devices: got true; allowed a whole number"),
    (("hardware", "threads"), 1.0, "hardware.threads: got 1.0; allowed a whole number"),
    (("ensemble", "methods"), [{"name": "gredy"}], "got 'gredy'; allowed bayesian, best, geom"),
    (("ensemble", "methods"), [{"name": "mean"}] * 2, "ensemble.methods: got 'mean' twice"),
    (("ensemble", "calibrators"), [{"name": "none"}] * 2, "calibrators: got 'none' twice"),
    (("ensemble", "costs"), [[0, "much"]], "ensemble.costs.0.1: got 'much'; allowed"),
    (("ensemble", "costs"), [[0, -1], [1, 0]], "costs.0.1: got -1; allowed greater than or equal"),
    (("ensemble", "positive_class"), 1, "positive_class: got 1; allowed text; in quotes, '1'"),
    (("ensemble", "threshold"), "f2", "allowed accuracy, balanced_accuracy, f1, half; nearest f1"),
    (("prediction", "members"), {"cnn_9": {}}, "prediction.members: got 'cnn_9'; allowed cnn_1"),
    (("prediction", "test_time"), {"shift_px": -1}, "test_time.shift_px: got -1; allowed"),
    (
        ("evaluation", "robustness"),
        {"corruptions": ["rain"]},
        "got 'rain'; allowed brightness, contrast, defocus",
    ),
    (("members",), {"cnn_1": {"recipe": "cnn"}}, "members: got only cnn_1; allowed two or more"),
    (("data", "source", "classes"), ["a"], "data.source.classes: unknown key; allowed name"),
    (("data", "val_fraction"), 1.5, "data.val_fraction: got 1.5; allowed less than 1"),
    (("recipes",), None, "recipes: got null; allowed a mapping"),
]


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    tree = copy.deepcopy(TREE)
    node = tree
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return tree


@pytest.mark.parametrize(("path", "value", "printed"), REFUSALS, ids=lambda v: str(v)[:40])
def test_a_wrong_value_is_refused_in_one_line(
    path: tuple[str, ...], value: Any, printed: str
) -> None:
    with pytest.raises(UserError) as caught:
        parse_params(changed(path, value), "params.yaml")
    message = str(caught.value)
    assert printed in message
    assert message.startswith("params.yaml: ")
    assert "\n" not in message


def of_task(task: str, loss: str, **training: Any) -> dict[str, Any]:
    """Return the shipped parameters, adapted to another task."""
    tree = changed(("task", "name"), task)
    for recipe in tree["recipes"].values():
        recipe["loss"] = {"name": loss}
        recipe["training"].update(training)
    return tree


@pytest.mark.parametrize(
    ("training", "printed"),
    [
        ({"optimiser": {"name": "muon"}}, "optimiser muon; allowed any other"),
        ({"penalty": {"l2": 1e-4}}, "penalty; allowed none; use weight_decay"),
        ({"transfer": {"frozen_epochs": 2}}, "transfer.frozen_epochs; allowed only with"),
    ],
)
def test_what_fsdp_cannot_do_with_parts_of_weights_is_refused(
    training: dict[str, Any], printed: str
) -> None:
    tree = changed(("hardware",), {"strategy": "fsdp", "devices": 2})
    assert parse_params(tree, "params.yaml").hardware.on_one_device().strategy == "auto"
    tree["recipes"]["cnn"]["model"] = {"name": "timm", "pretrained": True}
    tree["recipes"]["cnn"].pop("search")
    tree["recipes"]["cnn"]["training"].update(training)
    with pytest.raises(UserError) as caught:
        parse_params(tree, "params.yaml")
    given = "params.yaml: hardware.strategy: got fsdp with recipes.cnn.training."
    assert str(caught.value).startswith(given + printed)


def space(**axes: Any) -> dict[str, Any]:
    searched = {"budget": {"trials": 1}, "epochs": 1, "space": axes}
    return changed(("recipes", "cnn", "search"), searched)


@pytest.mark.parametrize(
    ("key", "axis", "printed"),
    [
        ("training.batch_size", {"choices": [64, 17]}, "batch_size: got 17; allowed a multiple of"),
        (
            "training.micro_batches",
            {"choices": [1, 3]},
            "batch_size: got 64; allowed a multiple of 6",
        ),
        ("training.batch_size", {"low": 16, "high": 128}, "space: got a range of batch_size or"),
        ("training.epochs", {"low": 1, "high": 30}, "got training.epochs, but every trial runs"),
        ("search.epochs", {"low": 1, "high": 30}, "got search.epochs, but every trial runs"),
        ("model.name", {"low": 1, "high": 2}, "space: model.name: got 1; allowed airbench, cnn, "),
        ("model.name", {"choices": [["cnn"]]}, "space: model.name: got ['cnn']; allowed airbench,"),
        ("loss.name", {"choices": [None]}, "space: loss.name: got null; allowed binary_cross_entr"),
        ("training.clip.at", {"low": 0.1, "high": 1.0}, "training.clip is null; set it in the rec"),
    ],
)
def test_an_axis_that_cannot_be_searched_is_refused(
    key: str, axis: dict[str, Any], printed: str
) -> None:
    tree = space(**{key: axis})
    tree["hardware"]["devices"] = 2
    with pytest.raises(UserError) as caught:
        parse_params(tree, "params.yaml")
    assert str(caught.value).startswith("params.yaml: recipes.cnn.")
    assert printed in str(caught.value)


TWO = {"choices": ["cnn", "resnet"]}


@pytest.mark.parametrize(
    ("axes", "printed"),
    [
        ({"model.blocks_per_stage": {"choices": [1, 2]}},
         "space: model.blocks_per_stage: unknown key of a recipe; allowed activation, batch_"),
        ({"model.blocks_per_stage": {"low": 0, "high": 2, "if": {"model.name": "resnet"}}},
         "space: model.blocks_per_stage: got 0; allowed greater than or equal to 1 with model.name "
         "'resnet'; give the axis an `if`, or change it"),
        ({"model.groups": {"choices": [5], "if": {"model.name": "cnn"}}},
         "allowed groups that divide every width with model.name 'cnn', model.groups 5; give the"),
        ({"model.widths": {"choices": [[8]], "if": {"model.name": "lenet"}}},
         "space.model.widths.if.model.name: got 'lenet'; allowed cnn, resnet, its choices"),
        ({"model.convs_per_block": {"choices": [1]},
          "model.name": {**TWO, "if": {"model.convs_per_block": 1}}},
         "space.model.name.if: got a condition that depends on model.name itself; remove one of"),
        ({"loss.gamma": {"low": 0.5, "high": 2.0}},
         "space: loss.gamma: unknown key of a recipe; allowed label_smoothing, name"),
    ],
)  # fmt: skip
def test_what_one_of_the_searched_models_does_not_allow_is_refused(
    axes: dict[str, Any], printed: str
) -> None:
    with pytest.raises(UserError) as caught:
        parse_params(space(**{"model.name": TWO, **axes}), "params.yaml")
    assert str(caught.value).startswith("params.yaml: recipes.cnn.search.space")
    assert printed in str(caught.value)


def test_an_architecture_without_weights_is_no_choice_where_blocks_are_frozen() -> None:
    tree = space(**{"model.name": {"choices": ["timm", "cnn"]}})
    tree["recipes"]["cnn"]["model"] = {"name": "timm", "pretrained": True}
    tree["recipes"]["cnn"]["training"]["transfer"] = {"frozen_epochs": None}
    with pytest.raises(UserError) as caught:
        parse_params(tree, "params.yaml")
    assert str(caught.value).endswith(
        "space: training.transfer.frozen_epochs: got null, but the model's weights are not "
        "pretrained; allowed 0; or set model.pretrained with model.name 'cnn'; give the axis an "
        "`if`, or change it"
    )


def test_a_model_and_a_loss_are_searched_with_axes_of_their_own() -> None:
    axes = {
        "model.widths": {"choices": [[8], [8, 16]]},  # which both have
        "model.blocks_per_stage": {"low": 1, "high": 2, "if": {"model.name": "resnet"}},
        "loss.name": {"choices": ["cross_entropy", "focal"]},
        "loss.gamma": {"low": 0.5, "high": 4.0, "if": {"loss.name": "focal"}},
        "loss.label_smoothing": {"choices": [0.0, 0.1], "if": {"loss.name": "cross_entropy"}},
    }
    assert parse_params(space(**{"model.name": TWO, **axes}), "").recipes["cnn"].search


def test_a_search_may_choose_null_and_parts_that_divide() -> None:
    tree = space(
        **{
            "training.class_weights": {"choices": ["inverse", None]},
            "training.micro_batches": {"choices": [1, 2, 4]},
        }
    )
    assert parse_params(tree, "").recipes["cnn"].search
    tree = space(**{"training.batch_size": {"low": 16, "high": 128}})
    assert parse_params(tree, "").recipes["cnn"].search


def test_patience_would_cut_off_what_swa_averages() -> None:
    swa = {"average": {"name": "swa"}}
    tree = changed(("recipes", "cnn", "training"), {**TREE["recipes"]["cnn"]["training"], **swa})
    printed = "training.patience: got 15 with training.average swa, .* allowed null, or average"
    with pytest.raises(UserError, match=f"params.yaml: recipes.cnn.{printed}"):
        parse_params(tree, "params.yaml")
    tree["recipes"]["cnn"]["training"]["patience"] = None
    parse_params(tree, "params.yaml")


def test_weights_that_begin_late_are_weights_and_begin() -> None:
    training = TREE["recipes"]["cnn"]["training"]
    late = {**training, "patience": None, "class_weights": "inverse", "class_weights_start": 0.8}
    parse_params(changed(("recipes", "cnn", "training"), late), "params.yaml")
    for other, printed in (
        ({"class_weights": None}, "got 0.8 without class_weights; allowed 0; or set class_weights"),
        ({"patience": 15}, "got 0.8 with patience 15, which may end a fit before"),
    ):
        with pytest.raises(UserError) as caught:
            parse_params(changed(("recipes", "cnn", "training"), late | other), "params.yaml")
        key = "params.yaml: recipes.cnn.training.class_weights_start: "
        assert str(caught.value).startswith(key + printed)


def test_strategies_are_those_that_lightning_knows() -> None:
    """These exclude those for one device or a TPU, and those that fork or pickle a running fit."""
    from pytorch_lightning.strategies import StrategyRegistry

    left_out = ("single_", "xla", "ddp_notebook", "ddp_fork", "ddp_spawn")
    known = [s for s in StrategyRegistry.available_strategies() if not s.startswith(left_out)]
    assert sorted(get_args(Strategy)) == sorted([*known, "auto"])


VALUES, LABELS = ("regression", "huber"), ("multilabel", "binary_cross_entropy")
MINORITY = {"policy": {"name": "none"}, "offline": {"copies": 1, "minority_only": True}}
MISFITS = [
    (
        of_task("regression", "cross_entropy"),
        "recipes.cnn.loss.name: got 'cross_entropy', which does not fit task regression; allowed h",
    ),
    (
        of_task(*VALUES, class_weights="inverse"),
        "recipes.cnn.training.class_weights: got 'inverse', but task regression has no",
    ),
    (
        of_task(*VALUES, sampling="balanced"),
        "recipes.cnn.training.sampling: got 'balanced', which needs one class per image; ",
    ),
    (of_task(*LABELS, sampling="balanced"), "allowed natural with task multilabel"),
    (
        of_task(*LABELS, logit_adjustment=1.0),
        "recipes.cnn.training.logit_adjustment: got 1.0, which needs one class per image; ",
    ),
    (
        of_task(*LABELS) | {"augmentation": MINORITY},
        "augmentation.offline.minority_only: got true, which needs one class per image; ",
    ),
]


@pytest.mark.parametrize(("tree", "printed"), MISFITS, ids=lambda value: str(value)[:30])
def test_what_the_task_has_no_meaning_for_is_refused(tree: dict[str, Any], printed: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_params(tree, "test")
    assert printed in str(caught.value)


@pytest.mark.parametrize("task", [VALUES, LABELS])
def test_the_other_tasks_are_accepted(task: tuple[str, str]) -> None:
    parsed = parse_params(of_task(*task), "test")
    expected = {"regression": "val/standardised_mse", "multilabel": "val/log_loss"}
    assert monitor(parsed.task) == expected[task[0]]


def test_the_shipped_files_are_accepted() -> None:
    files = [ROOT / "params.yaml", *sorted(ROOT.glob("examples/*/params.yaml"))]
    assert len(files) >= 2
    for file in files:
        load_params(file)


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(tree, dict):
        return [path, *(p for k, v in tree.items() for p in leaves(v, (*path, k)))]
    return [path]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(leaves(TREE)[1:]), value=ANYTHING)
def test_any_value_anywhere_is_accepted_or_refused_in_one_line(
    path: tuple[str, ...], value: Any
) -> None:
    try:
        parse_params(changed(path, value), "params.yaml")
    except UserError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (b"data: [1, 2", "not valid YAML: line 1"),
        (b"data: {a: 1\nb: }: x", "not valid YAML"),
        (b"a: 1\na: 2\n", "not valid YAML"),
        (b"- a\n- b\n", "got a list; allowed a mapping, `key: value`"),
        (b"", "got an empty file; allowed a mapping"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: bytes, printed: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_bytes(text)
    with pytest.raises(UserError, match=printed):
        load_params(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml: not found"):
        load_params(tmp_path / "nowhere.yaml")


def test_scientific_notation_is_a_number(tmp_path: Path) -> None:
    """YAML 1.1 reads 1e-3 as text; DVC and Convoy read YAML 1.2."""
    file = tmp_path / "params.yaml"
    file.write_text((ROOT / "params.yaml").read_text().replace("lr: 0.005", "lr: 5e-3"))
    assert load_params(file) == load_params(ROOT / "params.yaml")


def test_override_replaces_what_it_names_and_nothing_else() -> None:
    recipe = parse_params(TREE, "").recipes["cnn"]
    other = override(recipe, {"training.lr": 0.1, "model.dropout": 0.5})
    assert other.training.lr == 0.1
    assert other.model.model_dump()["dropout"] == 0.5
    assert other.loss == recipe.loss
    assert override(other, {"training.lr": 0.005, "model.dropout": 0.0}) == recipe


@pytest.mark.parametrize("stage", ["preprocess", "train"])
def test_every_stage_refuses_before_it_works(workspace: Workspace, stage: str) -> None:
    workspace.edit(lambda tree: tree["ensemble"].update(methods=[{"name": "stakking"}]))
    key = ["cnn_1"] if stage == "train" else []
    printed = workspace.stage(stage, *key, status=1)
    hint = "nearest stacking"
    assert printed.startswith(f"{stage}: params.yaml: ensemble.methods.0.name: got 'stakking'; ")
    assert printed.endswith(f"{hint}\n")
    assert not (workspace.folder / "data/processed").exists()
    assert not (workspace.folder / "artifacts").exists()


def test_check_names_a_folder_that_is_not_there(workspace: Workspace) -> None:
    workspace.edit(lambda tree: tree["data"].update(path="data/elsewhere"))
    printed = workspace.run("python", "-m", "pipeline", "check", status=1)
    assert printed == (
        "params.yaml: data.path: got data/elsewhere, which is not a folder; "
        "put the data there or name the folder that holds it\n"
    )


@pytest.mark.parametrize(
    ("task", "ensemble", "message"),
    [
        ("multilabel", {"positive_class": "cat"}, "positive_class: got 'cat'; allowed null with t"),
        ("regression", {"costs": ((0, 1), (1, 0))}, "costs: got [[0.0, 1.0], [1.0, 0.0]]; allowed"),
        (
            "multiclass",
            {"costs": ()},
            "costs: got 0 rows of no costs; allowed one row and one colu",
        ),
        ("multiclass", {"costs": ((0, 1), (1,))}, "costs: got 2 rows of "),
        ("binary", {"costs": ((0, 1, 1),) * 3}, "costs: got 3 rows; allowed 2 with task binary"),
        ("regression", {"sets": {"method": "aps"}}, "sets: got values with task regression; all"),
        (
            "regression",
            {"class_shares": "uniform"},
            "class_shares: got 'uniform'; allowed as_found",
        ),
        ("multiclass", {"class_shares": {"a": 0.5, "b": 0.7}}, "class_shares: got shares that sum"),
        (
            "multiclass",
            {"class_shares": {}},
            "class_shares: got shares that sum to 0; allowed a su",
        ),
        (
            "multiclass",
            {"class_shares": {"a": 2}},
            "class_shares.a: got 2; allowed less than or eq",
        ),
        (
            "multiclass",
            {"calibrators": [{"name": "prior_shift"}]},
            "calibrators: got 'prior_shift' with ensemble.class_shares as_found; allowed with unif",
        ),
        ("binary", {"threshold": "f1"}, "positive_class: got null with ensemble.threshold f1, whi"),
    ],
)
def test_decisions_that_no_data_could_fit_are_refused_before_work(
    task: str, ensemble: dict[str, Any], message: str
) -> None:
    tree = read_yaml(ROOT / "params.yaml")
    losses = {"multilabel": "binary_cross_entropy", "regression": "mse"}
    losses |= {"binary": "binary_cross_entropy", "multiclass": "cross_entropy"}
    tree["task"] = {"name": task}
    for recipe in tree["recipes"].values():
        recipe["loss"] = {"name": losses[task]}
    rows = ensemble.get("costs")
    if rows is not None:
        ensemble = {**ensemble, "costs": [[float(cost) for cost in row] for row in rows]}
    tree["ensemble"] = ensemble
    with pytest.raises(UserError) as caught:
        parse_params(tree, "params.yaml")
    assert f"ensemble.{message}" in str(caught.value)


def test_a_margin_in_points_is_refused_where_systems_are_compared_by_a_share() -> None:
    tree = read_yaml(ROOT / "params.yaml")
    tree["evaluation"] = {"equivalence_margin": 1.0}
    with pytest.raises(UserError, match="equivalence_margin: got 1; allowed less than 1, as"):
        parse_params(tree, "params.yaml")
    tree["ensemble"] = {"costs": [[0.0, 1.0], [1.0, 0.0]]}
    assert parse_params(tree, "params.yaml").evaluation.equivalence_margin == 1


def test_a_lead_of_points_that_no_model_can_have_is_refused() -> None:
    """The champion would stay for ever."""
    tree = read_yaml(ROOT / "params.yaml")
    tree["tracking"] = {"promotion_margin": 2}
    with pytest.raises(UserError, match=r"promotion_margin: got 2; allowed less than 1, as"):
        parse_params(tree, "params.yaml")
    tree["ensemble"] = {"costs": [[0.0, 3.0], [3.0, 0.0]]}
    assert parse_params(tree, "params.yaml").tracking.promotion_margin == 2


def test_a_file_that_refers_to_itself_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("data: &a {x: *a}\n")
    with pytest.raises(UserError, match="an alias refers to itself"):
        load_params(file)
    with pytest.raises(UserError, match="Is a directory; name a file that can be read"):
        load_params(tmp_path)


@pytest.mark.parametrize(
    "space", [{"training.batch_size": [32, "64"]}, {"training.micro_batches": [0, 1]}]
)
def test_choices_of_the_wrong_type_are_refused(space: dict[str, Any]) -> None:
    tree = read_yaml(ROOT / "params.yaml")
    tree["recipes"]["cnn"]["search"]["space"] = {k: {"choices": v} for k, v in space.items()}
    with pytest.raises(UserError, match=r"recipes\.cnn\.search"):
        parse_params(tree, "params.yaml")
