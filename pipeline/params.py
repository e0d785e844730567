"""The whole of params.yaml as one typed, frozen tree.

Every field holds its own default, unit and range. `load` refuses a wrong file before any work
starts, in one line: what was given, what is allowed, and the nearest name.
"""

from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args, get_origin

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.component import Component, Strict, choice, names, retuple, schema
from pipeline.decision import Costs, Goal
from pipeline.errors import UserError, nearest
from pipeline.lightning_callbacks import WORDED, Callbacks
from pipeline.optimisation import (
    SWA,
    AdamW,
    Average,
    Clip,
    Cosine,
    Optimiser,
    Penalty,
    Schedule,
    Transfer,
)

if TYPE_CHECKING:
    Source: TypeAlias = Component
    Policy: TypeAlias = Component
    Task: TypeAlias = Component
    Model: TypeAlias = Component
    Loss: TypeAlias = Component
    Method: TypeAlias = Component
    Calibrator: TypeAlias = Component
else:
    Source, Policy, Task = choice("source"), choice("policy"), choice("task")
    Model, Loss = choice("model"), choice("loss")
    Method, Calibrator = choice("method"), choice("calibrator")

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]  # becomes a folder and a stage's name
Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Corruption = Literal[
    "gaussian_noise", "shot_noise", "defocus", "motion", "brightness", "contrast", "haze",
    "pixelate", "jpeg",
]  # fmt: skip
Strategy = Literal[
    "auto", "ddp", "ddp_find_unused_parameters_false", "ddp_find_unused_parameters_true",
    "deepspeed", "deepspeed_stage_1", "deepspeed_stage_2", "deepspeed_stage_2_offload",
    "deepspeed_stage_3", "deepspeed_stage_3_offload", "deepspeed_stage_3_offload_nvme",
    "fsdp", "fsdp_cpu_offload",
]  # fmt: skip
Value: TypeAlias = bool | int | float | str
WEIGHTS = "data/weights"  # where files to start from lie; dvc.yaml has searches depend on it


class Image(Strict):
    """What every image is brought to. Its aspect is kept: cropped or padded, never stretched."""

    size_px: Positive | tuple[Positive, Positive] | None = None
    """The side, or height and width; null where all images have one size already."""
    channels: Literal[1, 3] | None = None
    """null keeps arrays as they are and makes colour of encoded images."""
    fit: Literal["crop", "pad"] = "crop"


class Data(Strict):
    """Where the labelled images come from, what is done about bad ones, how they are split."""

    source: Source
    path: str
    """The folder the source reads; DVC hashes it, so a changed file repeats the work."""
    image: Image = Image()
    on_bad_image: Literal["fail", "quarantine"] = "fail"
    near_duplicate_distance: Annotated[float, Field(ge=0, le=0.5)] | None = 0.1
    """Two images are near duplicates up to this distance between their standardised thumbnails;
    0 is equal, 1.41 unrelated; null looks for equal images only."""
    leakage: Literal["fail", "warn", "regroup"] = "fail"
    """What to do where the source's own splits share duplicates or a group."""
    val_fraction: Fraction | None = 0.2
    """null where the source brings its own, and with num_folds."""
    test_fraction: Fraction | None = None
    """null where the source brings its own test split."""
    num_folds: Annotated[int, Field(ge=2)] | None = None
    """Every member is then trained once a fold, and validated on images it did not learn from."""
    balance: Literal["stable", "exact"] = "stable"
    """stable: adding images moves no other; exact: every class has its share to one image."""
    pack_budget_gb: Annotated[float, Field(gt=0)] = 8.0
    """Up to here pixels are stored as they are; beyond, encoded files, decoded when read."""
    encoded_quality: Annotated[int, Field(ge=1, le=100)] | None = 95
    """JPEG quality in which encoded storage keeps images that had to be resized; null keeps the
    files as they came, which changes no pixel and is slower to read."""
    seed: Seed = 0


class Offline(Strict):
    """Augmented copies of train that are made once and stored."""

    copies: Positive
    """Of each image; of each image of a minority class at most, with minority_only."""
    minority_only: bool = False
    """Only as many copies as bring a class to the size of the largest."""


class Mixing(Strict):
    """Pairs of images of one batch become one, whose loss is that of both targets by their shares.
    Both may be on: one of them is drawn a batch."""

    mixup_alpha: Annotated[float, Field(gt=0)] | None = None
    cutmix_alpha: Annotated[float, Field(gt=0)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of a batch to be mixed."""

    @model_validator(mode="after")
    def _any(self) -> "Mixing":
        if self.mixup_alpha is None and self.cutmix_alpha is None:
            raise PydanticCustomError("mixing", "mixup_alpha, cutmix_alpha or both")
        return self


class Augmentation(Strict):
    """What training sees in place of the stored image."""

    policy: Policy
    online: bool = True
    """Draw the policy anew in every epoch; false leaves only the offline copies."""
    offline: Offline | None = None
    mixing: Mixing | None = None
    preview_draws: Annotated[int, Field(ge=1, le=16)] = 5


class Hardware(Strict):
    """What training and prediction run on. Threads and precision change the last bits."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Positive = 1
    """Of one node."""
    num_nodes: Positive = 1
    """Machines of one fit; see `launch`."""
    strategy: Strategy = "auto"
    """How Lightning spreads a fit. auto is ddp for several devices; fsdp cuts weights, gradients
    and the optimiser's state over the devices, for a network that one cannot hold."""
    timeout_s: Positive = 300
    """How long a process of a fit waits for the others before it gives up."""
    threads: Positive = 1
    """CPU threads of one training process."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """bf16: convolutions and products of matrices in it, weights and sums in fp32; auto: by what
    the device can do, see pipeline/precision.py."""
    memory_format: Literal["auto", "contiguous", "channels_last"] = "auto"
    """Whether images lie in memory map after map, or with their channels innermost."""
    compile: bool = False
    """Train on code that torch.compile makes; half a minute and more until the first step."""
    loader_workers: Annotated[int, Field(ge=0)] = 0
    profiler: Literal["simple", "advanced", "pytorch"] | None = None
    """Lightning's, whose report is written beside the fit's checkpoints; null measures nothing."""

    @property
    def world(self) -> int:
        """Devices of one fit."""
        return self.devices * self.num_nodes

    def on_one_device(self) -> "Hardware":
        return self.model_copy(update={"devices": 1, "num_nodes": 1, "strategy": "auto"})


class Training(Strict):
    """One fit."""

    epochs: Positive
    batch_size: Positive
    """Images in one optimiser step, over all devices together."""
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Of kernels and matrices; norms, biases and embeddings do not decay."""
    optimiser: Annotated[Optimiser, Field(discriminator="name")] = AdamW()
    schedule: Annotated[Schedule, Field(discriminator="name")] = Cosine()
    average: Annotated[Average, Field(discriminator="name")] | None = None
    clip: Clip | None = None
    penalty: Penalty = Penalty()
    transfer: Transfer = Transfer()
    micro_batches: Positive = 1
    """Parts of a batch that are computed one after the other, where it does not fit the memory.
    Batch norm sees a part at a time."""
    patience: Positive | None = None
    """Stop after this many epochs without a better figure, see `monitor`; null: never early."""
    on_divergence: Literal["stop", "recover"] = "stop"
    """What to do where the loss is not finite: stop, or go back an epoch and halve the rate."""
    class_weights: Literal["inverse", "inverse_sqrt", "effective"] | None = None
    """Weigh the loss of each class by its size in train; of each label, by the number of images
    that have it, whether it is to be found there or not."""
    sampling: Literal["natural", "square_root", "balanced"] = "natural"
    """The shares of the classes in an epoch: as they are, as the root of their size, or equal."""
    resampling: Literal["over", "under"] = "over"
    """Reach them by repeating small classes, or by taking a part of large ones."""
    callbacks: Callbacks = ()
    """More that Lightning's Trainer calls: `{name: ..., **arguments}`, a file in
    pipeline/training/callbacks/optional or a callback of Lightning in snake case."""


class Range(Strict):
    """A numeric axis of a search."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high:
            raise PydanticCustomError("range", "low below high")
        if self.log and self.low <= 0:
            raise PydanticCustomError("range", "low above 0 where log is true")
        return self


class Choices(Strict):
    """A categorical axis of a search."""

    choices: Annotated[tuple[Value, ...], Field(min_length=1)]


def _kind_of_axis(axis: object) -> str:
    is_categorical = isinstance(axis, Choices) or (isinstance(axis, dict) and "choices" in axis)
    return "Choices" if is_categorical else "Range"


Axis = Annotated[
    Annotated[Range, Tag("Range")] | Annotated[Choices, Tag("Choices")],
    Discriminator(_kind_of_axis),
]


class Search(Strict):
    """An Optuna study over one recipe, minimising what `monitor` names."""

    num_trials: Positive
    epochs: Positive
    """Epochs of one trial."""
    space: Annotated[dict[str, Axis], Field(min_length=1)]
    """Dotted keys of the recipe, such as `training.lr`."""
    parallel: Positive = 2
    """Trials that run at once, each a process with one thread."""
    seed: Seed = 0


class Recipe(Strict):
    """How one kind of network is made and trained."""

    model: Model
    loss: Loss
    training: Training
    search: Search | None = None


class Member(Strict):
    """One network of the ensemble: a recipe trained from a seed."""

    recipe: str
    seed: Seed = 0
    init_seed: Seed | None = None
    """Of the fresh weights alone; null: `seed`."""

    @property
    def starts_from(self) -> int:
        return self.seed if self.init_seed is None else self.init_seed


class Soup(Strict):
    """A network more, whose weights are the mean of those of members that set out from the same."""

    members: Annotated[tuple[str, ...], Field(min_length=2)]
    method: Literal["uniform", "greedy"] = "greedy"
    """uniform: of all; greedy: the best first, then each that does no harm on validation."""


class Views(Strict):
    """Views of each image whose logits are averaged: better answers for as many times the work."""

    mirror: bool = False
    """Also from left to right."""
    shift_px: Annotated[int, Field(ge=0)] = 0
    """Also moved by this, up, down, left and right."""


class Prediction(Strict):
    """How members predict; a change retrains nothing."""

    test_time: Views = Views()
    members: dict[str, Views] = Field(default_factory=dict)
    """In place of it, for some members."""

    def of(self, member: str) -> Views:
        return self.members.get(member, self.test_time)


class Ensembling(Strict):
    """What is fitted on validation. All of it costs seconds."""

    methods: Annotated[tuple[Method, ...], Field(min_length=1)] | None = None
    """null: every method that has a form for the task."""
    calibrators: Annotated[tuple[Calibrator, ...], Field(min_length=1)] | None = None
    """Each member and each ensemble takes the one that suits it best; null: every calibrator."""
    num_folds: Annotated[int, Field(ge=2)] = 5
    """Parts of validation: a system is judged on each as fitted on the others."""
    seed: Seed = 0
    threshold: Goal = "f1"
    """What the thresholds of two classes and of labels are best at, on validation."""
    costs: Costs | None = None
    """Of classes: a row for each true one, with the cost of each answer; the answer is then the
    one with the lowest expected cost."""
    coverage: Fraction = 0.9
    """Of values: the share of samples that their intervals hold."""


class Robustness(Strict):
    """Conditions that the systems are put under once all is decided."""

    corruptions: tuple[Corruption, ...] = get_args(Corruption)
    severities: tuple[Annotated[int, Field(ge=1, le=5)], ...] = (1, 3, 5)
    epsilons: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.01, 0.03)
    """The largest change of a pixel, of 0..1, that an attack may make; empty makes no attack."""
    max_images: Annotated[int, Field(ge=1)] = 1000
    """Of test; the first ones in the order of their ids' digests."""


class Evaluation(Strict):
    """How sure the report is to be."""

    num_bootstrap: Annotated[int, Field(ge=100)] = 1000
    confidence: Fraction = 0.95
    num_bins: Positive = 15
    """Bins of the calibration error."""
    top_k: Positive = 3
    """Answers to an image that top-k accuracy allows; it is left out of as few classes."""
    seed: Seed = 0
    robustness: Robustness | None = None
    """Corruptions and attacks; null asks for none, as they take time."""


class Tracking(Strict):
    """What the runs are called in MLflow. Where they go is MLFLOW_TRACKING_URI."""

    experiment: str = "convoy"
    registered_model: str = "convoy"
    live: bool = True
    """Show each stage while it runs, for 2 s of a processor a stage; false shows all of them when
    the last one is done."""


class Launch(Strict):
    """How training is started on several nodes. It changes no result, so nothing is run anew."""

    command: str | None = None
    """What starts a process for each device, such as `srun --nodes 2 --ntasks-per-node 8`."""


class Params(Strict):
    """params.yaml."""

    data: Data
    task: Task
    augmentation: Augmentation
    recipes: Annotated[dict[Name, Recipe], Field(min_length=1)]
    members: Annotated[dict[Name, Member], Field(min_length=1)]
    soups: dict[Name, Soup]
    prediction: Prediction
    ensemble: Ensembling
    hardware: Hardware
    evaluation: Evaluation
    # dvc.yaml names all of the above, so DVC wants them in the file; `{}` takes the defaults.
    tracking: Tracking = Tracking()
    launch: Launch = Launch()

    @property
    def pool(self) -> tuple[str, ...]:
        """All that predicts: members, and soups of them."""
        return (*self.members, *self.soups)


RENAMED = {
    "hardware.sharding": "use hardware.strategy: fsdp in place of full, auto in place of none",
}
ALLOWED = {  # where pydantic speaks of Python's types
    "dict_type": "a mapping, `key: value`",
    "model_type": "a mapping, `key: value`",
    "model_attributes_type": "a mapping, `key: value`",
    "tuple_type": "a list, [a, b]",
    "too_short": "at least {min_length} of them",
    "string_pattern_mismatch": "lower-case letters, digits and _, starting with a letter",
}


def load(path: Path) -> Params:
    """Read and check a parameter file.

    Raises:
        UserError: the file is missing, is not YAML, or holds a wrong key or value.
    """
    return parse(read(path), str(path))


def read(path: Path) -> dict[str, Any]:
    """The raw tree of a parameter file, checked only to be a YAML mapping."""
    try:
        tree = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run from the folder that holds it") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8") from None
    except YAMLError as error:
        raise UserError(f"{path}: not YAML: {_where(error)}; correct that line") from None
    if not isinstance(tree, dict):
        kind = "an empty file" if tree is None else f"a {type(tree).__name__}"
        raise UserError(f"{path}: got {kind}; allowed a mapping with the keys {_keys(Params)}")
    return tree


def parse(tree: dict[str, Any], origin: str) -> Params:
    """Check a raw tree: every key and value first, then what they say of each other."""
    try:
        params = Params.model_validate(retuple(tree))
    except ValidationError as error:
        raise UserError(f"{origin}: {explain(error, tree, Params)}") from None
    for check in (
        _recipes_exist,
        _recipes_fit,
        _soups_fit,
        _copies_fit,
        _fsdp_fits,
        _compiling_fits,
        _batches_divide,
        _spaces_fit,
        _predicted_members_exist,
        _members_are_several,
        _methods_fit,
    ):
        check(params, origin)
    return params


def monitor(task: Component) -> str:
    """The figure that early stopping, the kept epoch and a search go by: lower is better."""
    declared: Any = task
    return f"val/{declared.MONITOR}"


def override(recipe: Recipe, settings: dict[str, Value]) -> Recipe:
    """`recipe` with the dotted keys in `settings` replaced, checked like a parameter file.

    Raises:
        UserError: a key that the recipe does not have, or a value that it does not allow.
    """
    tree = recipe.model_dump()
    for dotted, value in settings.items():
        *parents, last = dotted.split(".")
        node: Any = tree
        for depth, key in enumerate(parents):
            node = _child(node, key, ".".join(parents[: depth + 1]))
        _child(node, last, dotted)
        node[last] = value
    try:
        return Recipe.model_validate(retuple(tree))
    except ValidationError as error:
        raise UserError(explain(error, tree, Recipe)) from None


def fitting(
    family: str, listed: tuple[Component, ...] | None, task: Component
) -> tuple[Component, ...]:
    """What `listed` names; for null, all of the family that have a form for the task."""
    if listed is not None:
        return listed
    made = [schema(family, name)(name=name) for name in names(family)]
    return tuple(component for component in made if _suits(component, task))


def explain(error: ValidationError, tree: Any, root: type[Strict]) -> str:
    """The first thing that is wrong, as `key: got this; allowed that; nearest other`."""
    first = error.errors()[0]
    loc, kind, given = first["loc"], first["type"], first["input"]
    where = ".".join(map(str, _present(tree, loc)))
    if kind == WORDED:
        return f"{where}: {first['msg']}"
    if kind == "extra_forbidden" and where in RENAMED:
        return f"{where}: unknown key; {RENAMED[where]}"
    if kind == "extra_forbidden":
        allowed = list(getattr(_node_at(root, loc[:-1]), "model_fields", {}))
        return f"{where}: unknown key; {nearest(loc[-1], allowed)}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tag = given.get("name") if isinstance(given, dict) else given
        branches = _flatten(_node_at(root, loc))
        allowed = [_tag(b) for b in branches if hasattr(b, "model_fields")]
        return f"{where}.name: got {tag!r}; {nearest(tag, allowed)}"
    if kind == "missing":
        return f"{where}.{loc[-1]}: missing; write a value for it".removeprefix(".")
    message = first["msg"].removeprefix("Input should be ")
    allowed_text = ALLOWED.get(kind, message).format(**first.get("ctx", {}))
    more = f" (and {len(error.errors()) - 1} more)" if len(error.errors()) > 1 else ""
    return f"{where}: got {given!r}; allowed {allowed_text}{more}"


def _child(node: Any, key: str, dotted: str) -> Any:
    if not isinstance(node, dict) or key not in node:
        allowed = node if isinstance(node, dict) else []
        raise UserError(f"{dotted}: unknown key of a recipe; {nearest(key, allowed)}")
    return node[key]


def _recipes_exist(params: Params, origin: str) -> None:
    for name, member in params.members.items():
        if member.recipe not in params.recipes:
            hint = nearest(member.recipe, params.recipes)
            raise UserError(f"{origin}: members.{name}.recipe: got {member.recipe!r}; {hint}")


def _soups_fit(params: Params, origin: str) -> None:
    """Their members are of one architecture and set out from the same weights."""
    for name, soup in params.soups.items():
        key = f"{origin}: soups.{name}"
        if name in params.members:
            raise UserError(f"{key}: a soup may not be called like a member; rename it")
        for member in soup.members:
            if member not in params.members:
                hint = nearest(member, params.members)
                raise UserError(f"{key}.members: got {member!r}; {hint}")
            if soup.members.count(member) > 1:
                raise UserError(f"{key}.members: got {member!r} twice; allowed once")
        first, *others = (params.members[member] for member in soup.members)
        for member, other in zip(soup.members[1:], others, strict=True):
            if other.starts_from != first.starts_from:
                raise UserError(
                    f"{key}.members: {soup.members[0]} sets out from the weights of seed "
                    f"{first.starts_from}, {member} from those of {other.starts_from}; allowed "
                    f"equal; set members.{member}.init_seed: {first.starts_from}"
                )
            if not _build_the_same(params, first.recipe, other.recipe):
                raise UserError(
                    f"{key}.members: {soup.members[0]} and {member} are of other architectures; "
                    "allowed one recipe, or recipes of equal `model` that no search changes"
                )


def _build_the_same(params: Params, one: str, other: str) -> bool:
    if one == other:
        return True
    recipes = params.recipes[one], params.recipes[other]
    axes = [axis for recipe in recipes if recipe.search for axis in recipe.search.space]
    is_searched = any(axis.startswith("model.") for axis in axes)
    return recipes[0].model == recipes[1].model and not is_searched


def _recipes_fit(params: Params, origin: str) -> None:
    for name, recipe in params.recipes.items():
        try:
            _recipe_fits(recipe, params.task)
        except UserError as error:
            raise UserError(f"{origin}: recipes.{name}.{error}") from None


def _recipe_fits(recipe: Recipe, task: Component) -> None:
    """What a recipe, as it is written or as a search would have it, says together with the task."""
    _loss_fits(recipe.loss, task)
    _balance_fits(recipe.training, task)
    _average_fits(recipe.training)
    _weights_are_watched(recipe.model)
    _transfer_fits(recipe)


def _loss_fits(loss: Any, task: Any) -> None:
    """It must read the logits as the task means them."""
    if task.ACTIVATION not in loss.ACTIVATIONS:
        fitting = [n for n in names("loss") if task.ACTIVATION in _activations(n)]
        raise UserError(
            f"loss.name: got {loss.name!r}, which does not fit task {task.name}; "
            f"{nearest(loss.name, fitting)}"
        )


def _average_fits(training: Training) -> None:
    """SWA averages the last epochs of a plan, which patience would cut off before any of them."""
    if isinstance(training.average, SWA) and training.patience is not None:
        raise UserError(
            f"training.patience: got {training.patience} with training.average swa, whose mean "
            "begins in the last epochs; allowed null, or average: {name: ema}"
        )


def _balance_fits(training: Training, task: Any) -> None:
    if training.class_weights and task.KIND == "values":
        raise UserError(
            f"training.class_weights: got {training.class_weights!r}, task {task.name} has no "
            "classes; allowed null; remove it"
        )
    if training.sampling != "natural" and task.KIND != "classes":
        raise UserError(
            f"training.sampling: got {training.sampling!r}, for which each image needs one class; "
            f"allowed natural with task {task.name}; remove it"
        )


def _weights_are_watched(model: Component) -> None:
    """A file of weights that DVC does not hash could change without anything being trained anew."""
    given = model.model_dump().get("pretrained")
    if isinstance(given, str) and not normpath(given).startswith(f"{WEIGHTS}/"):
        raise UserError(
            f"model.pretrained: got {given!r}; allowed true, false or a file below {WEIGHTS}, "
            "which DVC watches; put it there"
        )


def _transfer_fits(recipe: Recipe) -> None:
    """What is frozen holds pretrained weights, and is thawed before the end, also of a trial."""
    frozen = recipe.training.transfer.frozen_epochs
    given = f"training.transfer.frozen_epochs: got {'null' if frozen is None else frozen}"
    if frozen != 0 and not recipe.model.model_dump().get("pretrained"):
        raise UserError(f"{given}, the model has fresh weights; allowed 0, or set model.pretrained")
    epochs = min(fit.epochs for fit in (recipe.training, recipe.search) if fit is not None)
    if frozen is not None and frozen >= epochs:
        raise UserError(
            f"{given}, a fit or trial has {epochs} epochs; allowed less, or null to train the "
            "classifier alone"
        )


def _fsdp_fits(params: Params, origin: str) -> None:
    """What of a recipe is defined weight by weight can do with a part of each weight."""
    strategy = params.hardware.strategy
    if strategy not in ("fsdp", "fsdp_cpu_offload"):
        return
    given = f"{origin}: hardware.strategy: got {strategy}"
    if params.hardware.world == 1:
        raise UserError(f"{given} with 1 device; allowed with more; set it to auto")
    for name, recipe in params.recipes.items():
        training, where = recipe.training, f"recipes.{name}.training"
        if training.optimiser.name == "muon":
            raise UserError(f"{given} with {where}.optimiser muon; allowed any other; see adamw")
        if training.penalty.l1 or training.penalty.l2:
            raise UserError(f"{given} with {where}.penalty; allowed none; take weight_decay")
        if training.transfer.frozen_epochs != 0:
            raise UserError(f"{given} with {where}.transfer.frozen_epochs; allowed 0")


def _compiling_fits(params: Params, origin: str) -> None:
    """What is compiled is the step of one device, for one set of weights that learn."""
    given = f"{origin}: hardware.compile: got true"
    if params.hardware.compile and params.hardware.world > 1:
        raise UserError(
            f"{given} with {params.hardware.world} devices; allowed with one: what devices tell "
            "each other in a step is not compiled; set it to false"
        )
    for name, recipe in params.recipes.items():
        if params.hardware.compile and recipe.training.transfer.gradual:
            raise UserError(
                f"{given}, while recipes.{name} unfreezes gradually and each block more would be "
                "compiled for anew; allowed false"
            )


def _copies_fit(params: Params, origin: str) -> None:
    task: Any = params.task
    offline = params.augmentation.offline
    if offline and offline.minority_only and task.KIND != "classes":
        raise UserError(
            f"{origin}: augmentation.offline.minority_only: got true, for which each image needs "
            f"one class; allowed false with task {task.name}"
        )


def _activations(loss: str) -> tuple[str, ...]:
    declared: Any = schema("loss", loss)
    activations: tuple[str, ...] = declared.ACTIVATIONS
    return activations


def _batches_divide(params: Params, origin: str) -> None:
    for name, recipe in params.recipes.items():
        parts = params.hardware.world * recipe.training.micro_batches
        if recipe.training.batch_size % parts:
            raise UserError(
                f"{origin}: recipes.{name}.training.batch_size: got {recipe.training.batch_size}; "
                f"allowed a multiple of {parts}, hardware.devices × num_nodes × micro_batches"
            )


def _spaces_fit(params: Params, origin: str) -> None:
    """Both ends of every axis must be values that the recipe itself would allow."""
    for name, recipe in params.recipes.items():
        for key, axis in (recipe.search.space if recipe.search else {}).items():
            ends = axis.choices if isinstance(axis, Choices) else (axis.low, axis.high)
            for value in ends:
                try:
                    _recipe_fits(override(recipe, {key: value}), params.task)
                except UserError as error:
                    raise UserError(f"{origin}: recipes.{name}.search.space: {error}") from None


def _predicted_members_exist(params: Params, origin: str) -> None:
    for name in params.prediction.members:
        if name not in params.pool:
            hint = nearest(name, params.pool)
            raise UserError(f"{origin}: prediction.members: got {name!r}; {hint}")


def _members_are_several(params: Params, origin: str) -> None:
    if len(params.members) < 2:
        raise UserError(
            f"{origin}: members: got {', '.join(params.members)} alone; allowed two or more; add "
            "one, if only another seed of the same recipe"
        )


def _methods_fit(params: Params, origin: str) -> None:
    """Each method and calibrator once, with a form for the task, and not called like a member."""
    ensemble, task = params.ensemble, params.task
    for key, family, listed in (
        ("methods", "method", ensemble.methods),
        ("calibrators", "calibrator", ensemble.calibrators),
    ):
        found = [component.name for component in listed or ()]
        for component in listed or ():
            if found.count(component.name) > 1:
                raise UserError(
                    f"{origin}: ensemble.{key}: got {component.name!r} twice; allowed once"
                )
            if not _suits(component, task):
                allowed = [other.name for other in fitting(family, None, task)]
                raise UserError(
                    f"{origin}: ensemble.{key}: got {component.name!r}, which has no form for task "
                    f"{task.name}; {nearest(component.name, allowed)}"
                )
    for method in fitting("method", ensemble.methods, task):
        if method.name in params.pool:
            key = "members" if method.name in params.members else "soups"
            raise UserError(
                f"{origin}: {key}.{method.name}: may not be called like an ensemble method; rename "
                "it"
            )


def _suits(component: Any, task: Any) -> bool:
    return task.ACTIVATION in component.ACTIVATIONS


def _present(tree: Any, loc: tuple[int | str, ...]) -> list[int | str]:
    """`loc` without the names of union branches, which pydantic adds and the file does not have."""
    kept: list[int | str] = []
    for part in loc:
        is_key = isinstance(tree, dict) and part in tree
        is_index = isinstance(tree, list | tuple) and isinstance(part, int) and part < len(tree)
        if is_key or is_index:
            tree = tree[part]
            kept.append(part)
    return kept


def _node_at(root: type[Strict], loc: tuple[int | str, ...]) -> Any:
    """The type that the parameters have at `loc`."""
    node: Any = root
    for part in loc:
        node = _descend(node, part)
    return node


def _descend(node: Any, part: int | str) -> Any:
    """One step down: into a field, a branch of a union, or the values of a mapping or list."""
    if part in getattr(node, "model_fields", {}):
        return node.model_fields[part].annotation
    if get_origin(node) in (dict, tuple):
        return get_args(node)[1 if get_origin(node) is dict else 0]
    for branch in _flatten(node):
        if hasattr(branch, "model_fields"):
            if part in branch.model_fields:
                return branch.model_fields[part].annotation
            if part in (branch.__name__, _tag(branch)):
                return branch
    return node


def _tag(branch: type[Strict]) -> str:
    """What `name` has to be for this branch of a union."""
    fixed = (
        get_args(branch.model_fields["name"].annotation) if "name" in branch.model_fields else ()
    )
    return str(fixed[0]) if fixed else branch.__name__


def _flatten(annotation: Any) -> list[Any]:
    arguments = get_args(annotation)
    return [leaf for a in arguments for leaf in _flatten(a)] if arguments else [annotation]


def _keys(model: type[Strict]) -> str:
    return ", ".join(model.model_fields)


def _where(error: YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{problem or error}"
