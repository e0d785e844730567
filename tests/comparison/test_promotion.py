"""Which model becomes the champion, in simulations and with a real registry."""

import json
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from pipeline.comparison.comparison import compare
from pipeline.comparison.promotion import _kept, _refuse_lost, _refuse_other_samples, lead
from pipeline.core.errors import UserError
from pipeline.core.git import git
from pipeline.tracking.champion import Standing, Standings
from tests.comparison.test_comparison import SETTINGS, state
from tests.comparison.test_revisions import commit
from tests.conftest import ROOT, Workspace

ALL = np.arange(300)


def led(folder: Path, champion: float, own: float, margin: float) -> tuple[bool, str]:
    """Whether a model of one skill leads a champion of another."""
    states = [state(folder / "champion", champion, ALL), state(folder / "workspace", own, ALL)]
    return lead(compare(states, SETTINGS), margin)


def test_a_model_that_is_surely_better_leads(tmp_path: Path) -> None:
    leads, reason = led(tmp_path, 1.0, 3.0, 0.0)
    assert leads
    assert reason.startswith("workspace (mean) beats champion (mean) by ")


@pytest.mark.parametrize(("own", "said"), [(1.02, "no difference shown"), (0.3, "champion (mean)")])
def test_one_that_is_not_does_not(tmp_path: Path, own: float, said: str) -> None:
    leads, reason = led(tmp_path, 1.0, own, 0.0)
    assert not leads
    assert reason.startswith(said)


def test_a_lead_within_the_margin_is_not_enough(tmp_path: Path) -> None:
    states = [state(tmp_path / "champion", 1.0, ALL), state(tmp_path / "workspace", 3.0, ALL)]
    compared = compare(states, SETTINGS)
    least = compared.contrasts[0].differences["accuracy"].low
    assert lead(compared, 0.99 * least)[0]
    leads, reason = lead(compared, 1.01 * least)
    assert not leads
    assert reason.endswith("of accuracy or more is not shown")


def test_other_test_samples_are_refused(tmp_path: Path) -> None:
    champion = state(tmp_path / "champion", 1.0, ALL[:200])
    own = state(tmp_path / "workspace", 1.0, ALL[50:])
    with pytest.raises(UserError, match="50 of its 200 are not in the workspace, which h"):
        _refuse_other_samples(champion, own)


def test_a_champion_whose_commit_is_gone_is_named() -> None:
    with pytest.raises(UserError, match=r"champion.json names the commit a{12}, which this reposi"):
        _refuse_lost("a" * 40)


def test_a_champion_that_was_squashed_away_is_found_again_where_its_model_is() -> None:
    """Otherwise the next model would have no champion to be compared with."""
    head = git("rev-parse", "HEAD", folder=ROOT)
    assert head
    champion = Standing(commit="a" * 40, model="b" * 64, system="mean", reason="the first")
    gone = Standings(champion=champion, challenger=champion)
    kept = _kept(gone, head)
    assert kept.champion == champion.model_copy(update={"commit": head})
    assert kept.challenger == champion
    assert _kept(kept, "c" * 40) == kept


def test_a_champion_without_a_commit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared with nothing, it would be compared with the workspace itself."""
    monkeypatch.chdir(tmp_path)
    champion = {"commit": "", "model": "m", "system": "mean", "reason": "by hand"}
    Path("champion.json").write_text(json.dumps({"champion": champion}))
    with pytest.raises(UserError, match=r"champion.json: champion.commit: String should match"):
        Standings.load()


@pytest.mark.slow
def test_the_registry_follows_the_decisions(copy: Workspace) -> None:
    printed = copy.run("convoy", "promote", status=1)
    assert printed.startswith("promote: the results are not committed; `git commit` dvc.lock")
    commit(copy, "first")
    printed = copy.run("convoy", "promote", "--dry-run")
    assert printed == "would be champion: the first model to be promoted\n"
    assert not (copy.folder / "champion.json").exists()
    copy.run("convoy", "promote")
    assert standing(copy) == {"champion": "1"}
    assert copy.run("convoy", "promote") == "still champion: it is the champion already\n"

    copy.edit(lambda tree: tree["ensemble"].update(methods=[{"name": "majority"}]))
    assert "is not up to date; run `dvc repro`" in copy.run("convoy", "promote", status=1)
    copy.run("dvc", "repro", "--quiet")
    commit(copy, "majority alone")
    copy.run("convoy", "promote")
    assert standing(copy) == {"champion": "1", "challenger": "2"}
    kept = json.loads((copy.folder / "champion.json").read_text())
    reason = kept["challenger"]["reason"]
    assert reason.startswith(("no difference shown", "champion ", "model "))
    assert kept["challenger"]["commit"][:7] in reason
    assert description(copy, "challenger").startswith(f"challenger: {reason}")
    assert "Reproduce: `convoy reproduce " in description(copy, "challenger")

    address = f"sqlite:///{copy.folder / 'new.db'}"
    copy.run("convoy", "sync", MLFLOW_TRACKING_URI=address)
    # The champion's state is not in the workspace.
    assert standing(copy, address) == {"challenger": "1"}
    assert description(copy, "challenger", address).startswith(f"challenger: {reason}")

    (copy.folder / "champion.json").write_text("{}")
    printed = copy.run("convoy", "promote", status=1)
    assert printed.startswith("champion.json: champion: Field required; restore it with `git che")
    assert len(printed.splitlines()) == 1


def client(workspace: Workspace, address: str) -> MlflowClient:
    used = address or f"sqlite:///{workspace.folder / 'mlflow.db'}"
    return MlflowClient(tracking_uri=used, registry_uri=used)


def standing(workspace: Workspace, address: str = "") -> dict[str, str]:
    aliases = client(workspace, address).get_registered_model("convoy").aliases
    return {alias: f"{version}" for alias, version in aliases.items()}


def description(workspace: Workspace, alias: str, address: str = "") -> str:
    return client(workspace, address).get_model_version_by_alias("convoy", alias).description
