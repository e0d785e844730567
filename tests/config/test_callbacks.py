"""`training.callbacks`: which names are accepted, which are refused and why, and that they work."""

import copy
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning
import torch
from pytorch_lightning import Callback, LightningModule, Trainer, callbacks
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader

from pipeline.callbacks import gradient_norm
from pipeline.config import callbacks as lightning
from pipeline.config.load import parse_params
from pipeline.config.recipes import Recipe, override
from pipeline.core.component import load, make, names, retuple
from pipeline.core.errors import UserError
from pipeline.core.files import read_yaml
from tests.conftest import ROOT

TREE = read_yaml(ROOT / "params.yaml")
WHERE = "params.yaml: recipes.cnn.training.callbacks"
LISTED: list[dict[str, Any]] = [
    {"name": "gradient_norm", "every_n_steps": 7},
    {"name": "device_stats_monitor", "cpu_stats": True},
    {"name": "learning_rate_monitor", "logging_interval": None},
    {"name": "model_summary", "max_depth": 2},
]


def parsed(listed: Any) -> Recipe:
    tree = copy.deepcopy(TREE)
    tree["recipes"]["cnn"]["training"]["callbacks"] = listed
    return parse_params(tree, "params.yaml").recipes["cnn"]


def refusal(listed: Any) -> str:
    with pytest.raises(UserError) as caught:
        parsed(listed)
    return str(caught.value)


def test_what_was_given_is_what_is_kept() -> None:
    recipe = parsed(LISTED)
    assert list(recipe.model_dump()["training"]["callbacks"]) == LISTED
    assert parsed([]).training.callbacks == ()
    assert "callbacks" not in TREE["recipes"]["cnn"]["training"]
    assert parse_params(TREE, "").recipes["cnn"].training.callbacks == ()


def test_a_stored_recipe_is_read_again() -> None:
    recipe = parsed(LISTED)
    assert Recipe.model_validate(retuple(json.loads(json.dumps(recipe.model_dump())))) == recipe
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe.model_validate(recipe.model_dump()) == recipe


def test_recipes_with_other_arguments_differ() -> None:
    others = [{**LISTED[1], "cpu_stats": False}]
    assert parsed(LISTED[1:2]) != parsed(others)


def test_a_search_keeps_the_callbacks() -> None:
    recipe = parsed(LISTED)
    assert override(recipe, {"training.lr": 0.1}).training.callbacks == (recipe.training.callbacks)


def test_a_callback_is_immutable() -> None:
    monitor = parsed(LISTED).training.callbacks[1]
    assert isinstance(monitor, lightning.LightningCallback)
    monitor.arguments["cpu_stats"] = False
    assert monitor.arguments == {"cpu_stats": True}
    with pytest.raises(ValueError, match="frozen"):
        monitor.cpu_stats = False


REFUSALS = [
    ("model_summary", ": got 'model_summary'; allowed a list, [a, b]"),
    (["model_summary"], ".0: got 'model_summary'; write {name: ...}; allowed device_"),
    ([{}], ".0.name: missing; allowed device_stats_monitor, gradient_norm"),
    ([{"name": 5}], ".0.name: got 5; allowed device_stats_monitor, gradient_norm"),
    ([{"name": "timr"}], ".0.name: got 'timr'; allowed device_stats_monitor, gradient_norm, lea"),
    ([{"name": "gradient_nrom"}], "throughput_monitor; nearest gradient_norm"),
    ([{"name": "DeviceStatsMonitor"}], "throughput_monitor; nearest device_stats_monitor"),
    ([{"name": "model_summary"}] * 2, ": got 'model_summary' twice; allowed once; remove one"),
    ([{"name": "gradient_norm"}] * 2, ": got 'gradient_norm' twice; allowed once; remove one"),
    ([{"name": "gradient_norm", "every_n_steps": 0}], ".0.every_n_steps: got 0; allowed greater"),
    (
        [{"name": "gradient_norm", "every": 1}],
        ".0.every: unknown key; allowed every_n_steps, name; nearest every_n_steps",
    ),
    (
        [{"name": "device_stats_monitor", "cpu_stat": True}],
        ".0.cpu_stat: unknown key; allowed cpu_stats, name; nearest cpu_stats",
    ),
    ([{"name": "device_stats_monitor", "cpu_stats": 1}], "cpu_stats: got 1; allowed true or false"),
    (
        [{"name": "gradient_norm"}, {"name": "learning_rate_monitor", "logging_interval": "steps"}],
        ".1.logging_interval: got 'steps'; allowed epoch, step; nearest step",
    ),
    (
        [{"name": "model_summary", "max_depth": 1.5}],
        ".0.max_depth: got 1.5; allowed a whole number",
    ),
    ([{"name": "model_summary", "depth": 1}], ".0.depth: unknown key; allowed max_depth, name"),
    ([{"name": "throughput_monitor", "length_fn": "len"}], "length_fn: unknown key; allowed name"),
    ([{"name": "early_stopping"}], ".0.name: got 'early_stopping'; Convoy stops early itself; use"),
]


@pytest.mark.parametrize(("listed", "printed"), REFUSALS, ids=lambda value: str(value)[:40])
def test_a_wrong_entry_is_refused_in_one_line(listed: Any, printed: str) -> None:
    message = refusal(listed)
    assert message.startswith(WHERE)
    assert printed in message
    assert "\n" not in message


@pytest.mark.parametrize("name", lightning.REFUSED)
def test_what_convoy_does_itself_is_refused_with_the_reason(name: str) -> None:
    assert refusal([{"name": name}]) == f"{WHERE}.0.name: got {name!r}; {lightning.REFUSED[name]}"


def test_each_callback_of_lightning_was_looked_at() -> None:
    """Read a new one first: does it work with manual optimisation, and is it needed?"""
    assert lightning.usable() == [
        "device_stats_monitor",
        "learning_rate_monitor",
        "model_summary",
        "rich_model_summary",
        "throughput_monitor",
    ]
    known = {*lightning.usable(), *lightning.REFUSED}
    assert {lightning.class_name(name) for name in known} == set(callbacks.__all__)
    assert not set(names("callback")) & known


@pytest.mark.parametrize("name", lightning.usable())
def test_arguments_read_from_source_are_those_of_the_class(name: str) -> None:
    signature = inspect.signature(getattr(callbacks, lightning.class_name(name)).__init__)
    taken = {
        key: parameter.default is parameter.empty
        for key, parameter in list(signature.parameters.items())[1:]
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    functions = lightning.FUNCTIONS.get(name, ())
    assert set(functions) <= set(taken)
    fields = lightning.arguments(name).model_fields
    assert {key: field.is_required() for key, field in fields.items()} == {
        key: is_required for key, is_required in taken.items() if key not in functions
    }


def test_a_required_argument_that_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No usable callback requires one today, so one that stops early is allowed through."""
    monkeypatch.delitem(lightning.REFUSED, "early_stopping")
    assert refusal([{"name": "early_stopping"}]).startswith(f"{WHERE}.0.monitor: missing")
    assert parsed([{"name": "early_stopping", "monitor": "val/loss"}])


def test_loading_imports_neither_torch_nor_lightning() -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.config.load import parse_params;"
        "from pipeline.core.files import read_yaml;"
        f"tree = read_yaml(Path('params.yaml')); listed = {LISTED!r};"
        "tree['recipes']['cnn']['training']['callbacks'] = listed;"
        "assert len(parse_params(tree, '').recipes['cnn'].training.callbacks) == len(listed);"
        "heavy = {'torch', 'pytorch_lightning', 'lightning_fabric', 'lightning_utilities'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


class Memory(Logger):
    """Keeps everything that is logged."""

    name, version = "memory", ""

    def __init__(self) -> None:
        super().__init__()
        self.figures: list[tuple[str, float, int | None]] = []

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.figures += [(name, value, step) for name, value in metrics.items()]


class Linear(LightningModule):
    """The loss is the product of weight and row, so the gradient of a step is its row."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.weight = nn.Parameter(torch.zeros(2))

    def training_step(self, batch: Tensor) -> None:
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward((self.weight * batch).sum())
        optimizer.step()

    def validation_step(self, batch: Tensor) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


ROWS = DataLoader(torch.tensor([[3.0, 4.0], [6.0, 8.0]]))  # gradients of norm 5 and 10


def trained(callback: Callback, folder: Path, epochs: int) -> Memory:
    """Return the log of a fit of two steps per epoch, which resumes from one in `folder`."""
    memory, checkpoint = Memory(), folder / "last.ckpt"
    trainer = Trainer(
        accelerator="cpu", max_epochs=epochs, logger=memory, callbacks=[callback],
        default_root_dir=folder, log_every_n_steps=1, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    before = checkpoint if checkpoint.exists() else None
    trainer.fit(Linear(), ROWS, ROWS, ckpt_path=before, weights_only=True)
    trainer.save_checkpoint(checkpoint)
    return memory


@pytest.mark.parametrize("name", lightning.usable())
def test_lightnings_callbacks_work_with_manual_optimisation_and_resume(
    name: str, tmp_path: Path
) -> None:
    functions = {"batch_size_fn": len} if name in lightning.FUNCTIONS else {}
    for epochs in (1, 2):
        entry = parsed([{"name": name}]).training.callbacks[0]
        assert isinstance(entry, lightning.LightningCallback)
        kind = getattr(pytorch_lightning.callbacks, lightning.class_name(entry.name))
        trained(kind(**entry.arguments, **functions), tmp_path, epochs)


def test_spike_detection_still_cannot_be_resumed() -> None:
    """Otherwise it could be one of those that are refused."""
    detection = callbacks.SpikeDetection()
    with pytest.raises(AttributeError):
        detection.load_state_dict(detection.state_dict())


@pytest.mark.parametrize("name", names("callback"))
def test_components_build_and_resume(name: str, tmp_path: Path) -> None:
    own = make("callback", name)
    module = load("callback", own)
    for epochs in (1, 2):
        built = module.build(own)
        assert isinstance(built, Callback)
        trained(built, tmp_path, epochs)


def norms(every_n_steps: int) -> Callback:
    return gradient_norm.build(
        gradient_norm.Params(name="gradient_norm", every_n_steps=every_n_steps)
    )


def test_the_mean_norm_since_the_last_time_is_logged(tmp_path: Path) -> None:
    logged = trained(norms(3), tmp_path, epochs=4).figures
    means = {step: value for name, value, step in logged if name == "train/gradient_norm"}
    assert means == {2: pytest.approx(20 / 3), 5: pytest.approx(25 / 3)}


def test_a_resumed_fit_logs_the_same_norms(tmp_path: Path) -> None:
    through = trained(norms(3), tmp_path / "through", epochs=4).figures
    parts = [trained(norms(3), tmp_path / "parts", epochs).figures for epochs in (2, 4)]
    assert len(parts[0]) == len(parts[1]) == 1
    assert parts[0] + parts[1] == through


def test_norms_of_parts_are_refused() -> None:
    trainer = Trainer(accelerator="cpu", logger=False, strategy=ModelParallelStrategy())
    with pytest.raises(UserError, match="ModelParallelStrategy, which shards the gradient"):
        norms(1).setup(trainer, Linear(), "fit")
