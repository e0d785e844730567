"""A student from the parameters to the report and the model, by `dvc repro`."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from pipeline.core.artifacts import OutOfFold, Predictions, Samples
from pipeline.core.files import read_json
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.conformal import PredictionSets
from pipeline.evaluation.tables import read
from pipeline.serving.ensemble import Ensemble
from pipeline.serving.layout import INSIDE
from tests.conftest import Workspace, small
from tests.tracking.test_experiments import cloned, committed

pytestmark = pytest.mark.slow

OWN = {"distil@pupil", "predict_distilled@pupil", "calibrate@pupil"}
AFTER = {"evaluate", "inspect", "report", "package"}


def folded(tree: dict[str, Any]) -> None:
    """Two members of a short recipe on two folds, and two students."""
    small(tree)
    tree["data"] |= {"num_folds": 2, "val_fraction": None}
    del tree["recipes"]["resnet"], tree["recipes"]["cnn"]["search"]
    tree["members"] = {f"cnn_{seed}": {"recipe": "cnn", "seed": seed} for seed in (1, 2)}
    tree["ensemble"] = {"methods": [{"name": "mean"}]}
    tree["evaluation"]["num_bootstrap"] = 100
    tree["distil"] = {"pupil": {"recipe": "cnn"}, "alone": {"recipe": "cnn", "weight": 0.0}}
    tree["serving"] = {"model": "pupil"}


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("taught") / "work")
    made.edit(folded)
    made.run("dvc", "repro")
    return made


def ran(printed: str) -> set[str]:
    return set(re.findall(r"Running stage '(.+?)'", printed))


def test_the_teacher_is_the_chosen_ensemble_on_every_training_sample(taught: Workspace) -> None:
    layout = Layout(taught.folder)
    teacher, held_out = OutOfFold.load(layout.teacher), OutOfFold.load(layout.held_out)
    chosen = read_json(layout.ensemble / "choice.json")["chosen"]
    assert list(teacher.systems) == [chosen]
    np.testing.assert_array_equal(teacher.systems[chosen], held_out.systems[chosen])
    assert set(teacher.ids) == set(Samples.load(layout.trainval).columns["id"])


def test_a_student_is_one_network_for_the_first_fold(taught: Workspace) -> None:
    layout = Layout(taught.folder)
    assert [path.name for path in layout.student("pupil").glob("fold_*")] == ["fold_0"]
    val = Predictions.load(layout.student_predictions("pupil") / "val.npz")
    columns = Samples.load(layout.trainval).columns
    first = {i for i, fold in zip(columns["id"], columns["fold"], strict=True) if fold == "0"}
    assert set(val.ids) == first
    member, student = (
        read_json(path) for path in (
            layout.cost("cnn_1"), layout.student_predictions("pupil") / "cost.json"
        )
    )  # fmt: skip
    assert {key: 2 * value for key, value in student.items()} == member


def test_it_is_one_more_system_and_no_member(taught: Workspace) -> None:
    layout = Layout(taught.folder)
    compared = read_json(layout.comparison)
    assert {"pupil", "alone", "cnn_1", "cnn_2", "mean"} <= set(compared["systems"])
    assert len(compared["students"]) == 4
    assert compared["students"][0].startswith("the student alone has 50% of the multiply-adds of")
    kinds = {row["system"]: row["kind"] for row in read(layout.tables / "systems.csv")}
    assert (kinds["pupil"], kinds["cnn_1"], kinds["mean"]) == ("student", "member", "ensemble")
    choice = read_json(layout.ensemble / "choice.json")
    assert choice["members"] == ["cnn_1", "cnn_2"]
    for path in (layout.ensemble / "systems").glob("*.json"):
        assert not {"pupil", "alone"} & set(Combiner.load(path).members)
    contributing = {row["member"] for row in read(layout.tables / "contributions.csv")}
    assert contributing <= {"cnn_1", "cnn_2"}
    page = layout.report.read_text()
    assert "Networks that learned from the ensemble" in page


def test_what_it_is_packaged_as_predicts_as_the_stages_do(taught: Workspace) -> None:
    layout = Layout(taught.folder)
    ensemble = Ensemble.load(layout.model / INSIDE)
    assert list(ensemble.members) == ["pupil"]
    assert ensemble.sets is not None
    assert json.loads(json.dumps(read_json(layout.student_sets("pupil"))))["coverage"] == 0.9
    images = np.load(layout.test / "images.npy")[:20]
    stored = Predictions.load(layout.student_predictions("pupil") / "test.npz")
    own = Combiner.load(layout.student_system("pupil"))
    logits = stored.logits[:20].astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(ensemble(images).predictions, own({"pupil": log_p}), atol=1e-5)
    card = (layout.model / "model_card.md").read_text()
    assert card.startswith("# Model card: pupil\n")
    assert "learned from the ensemble" in card


def test_where_it_is_weaker_is_measured_on_its_own_answers(taught: Workspace) -> None:
    layout = Layout(taught.folder)
    stored = Predictions.load(layout.student_predictions("pupil") / "test.npz")
    combiner = Combiner.load(layout.student_system("pupil"))
    logits = stored.logits.astype(np.float64)
    log_p = combiner({"pupil": logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))})
    decided, targets = combiner.decision(log_p), stored.targets
    slices = read(layout.tables / "student_slices.csv")
    assert {row["system"] for row in slices} == {"pupil", "alone"}
    of_class = [r for r in slices if (r["system"], r["column"]) == ("pupil", "true class")]
    assert of_class
    for row in of_class:
        is_it = targets == int(row["part"])
        assert float(row["figure"]) == pytest.approx((decided == targets)[is_it].mean(), abs=1e-6)
    rule = PredictionSets.load(layout.student_sets("pupil"))
    covered = rule(log_p)[np.arange(len(targets)), targets].mean()
    (sets,) = (
        row for row in read(layout.tables / "student_prediction_sets.csv")
        if (row["system"], row["name"]) == ("pupil", "(all)")
    )  # fmt: skip
    assert float(sets["coverage"]) == pytest.approx(covered, abs=1e-6)
    card = (layout.model / "model_card.md").read_text()
    assert f"They contain the true class of {covered:.1%}" in card
    mistaken = [
        r for r in read(layout.tables / "student_confused_pairs.csv") if r["system"] == "pupil"
    ]
    assert sum(int(row["count"]) for row in mistaken) == (decided != targets).sum()


def test_mlflow_links_a_student_to_its_teacher(taught: Workspace) -> None:
    taught.run("convoy", "sync")
    api = MlflowClient(tracking_uri=f"sqlite:///{taught.folder}/mlflow.db")
    experiment = api.get_experiment_by_name("convoy")
    assert experiment
    models = {m.name: m for m in api.search_logged_models([experiment.experiment_id])}
    chosen = read_json(Layout(taught.folder).ensemble / "choice.json")["chosen"]
    assert models["pupil"].model_type == "student"
    assert models["pupil"].tags["convoy.teacher"] == chosen
    assert set(models[chosen].tags["convoy.students"].split(", ")) == {"pupil", "alone"}
    assert {metric.key for metric in models["pupil"].metrics or ()} >= {"test/accuracy"}
    status = taught.run("convoy", "status")
    for entry in OWN:
        assert re.search(rf"{entry} +current", status)


def test_running_again_runs_nothing_and_a_parameter_runs_what_follows(
    taught: Workspace, tmp_path: Path
) -> None:
    copy = taught.copied(tmp_path / "copy")
    assert not ran(copy.run("dvc", "repro"))
    before = (Layout(copy.folder).student("alone") / "fold_0/weights.safetensors").read_bytes()
    copy.edit(lambda tree: tree["distil"]["pupil"].update(temperature=3.0))
    assert ran(copy.run("dvc", "repro")) == OWN | AFTER
    after = Layout(copy.folder).student("alone") / "fold_0/weights.safetensors"
    assert after.read_bytes() == before
    # What the teacher says is the same: no student is trained again.
    copy.edit(lambda tree: tree["ensemble"].update(coverage=0.8))
    printed = ran(copy.run("dvc", "repro", "--dry"))
    assert not {stage for stage in printed if stage.startswith("train@")}
    ran_now = ran(copy.run("dvc", "repro"))
    assert {"ensemble", "calibrate@pupil", "evaluate", "package"} <= ran_now
    assert not {stage for stage in ran_now if stage.startswith(("distil@", "predict_"))}
    # Back to no student and the ensemble, as by default.
    copy.edit(lambda tree: tree.update(distil={}, serving={}))
    assert ran(copy.run("dvc", "repro")) == AFTER
    compared = read_json(Layout(copy.folder).comparison)
    assert "pupil" not in compared["systems"]
    assert compared["students"] == []
    assert not list((copy.folder / "artifacts").rglob("alone"))
    # Otherwise a clone would run again what depends on the folder that they were in.
    clone = cloned(committed(copy), tmp_path / "clone")
    clone.run("dvc", "cache", "dir", "--local", f"{copy.folder / '.dvc/cache'}")
    clone.run("dvc", "checkout")
    assert clone.run("dvc", "status", "evaluate") == "Data and pipelines are up to date.\n"
    # A student that is back is restored.
    copy.edit(lambda tree: tree.update(distil={"alone": {"recipe": "cnn", "weight": 0.0}}))
    assert not ran(copy.run("dvc", "repro", "-s", "distil@alone"))
    restored = Layout(copy.folder).student("alone") / "fold_0/weights.safetensors"
    assert restored.read_bytes() == before
