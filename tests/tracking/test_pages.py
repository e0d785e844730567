"""The MLflow pages, as someone sees them who opens them in a browser for the first time."""

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple

import pytest
from mlflow import MlflowClient

from tests.comparison.test_revisions import commit
from tests.conftest import Workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
PATIENCE_S = 120  # of the server and of each page; nothing is measured
WIDTH, HEIGHT = 1700, 900
ASSISTANT = 405
"""The width of a panel at the right, which MLflow opens by itself."""
PICTURES = os.environ.get("CONVOY_PICTURES")
"""A folder for pictures of the pages, which the documentation shows."""


class Site(NamedTuple):
    """The pages of one workspace."""

    address: str
    api: MlflowClient
    experiment: str
    compared: dict
    """The content of comparison.json."""

    def runs(self) -> dict[str, str]:
        """Return the ids of the runs by their names."""
        found = self.api.search_runs([self.experiment])
        return {run.info.run_name: run.info.run_id for run in found}

    @property
    def state(self) -> str:
        """The name of the run of the state."""
        return next(name for name in self.runs() if name.startswith("digits "))


@pytest.fixture(scope="module")
def site(reproduced: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    own = reproduced.copied(tmp_path_factory.mktemp("pages") / "work")
    commit(own, "done")
    own.run("convoy", "promote")
    ui = own.start("convoy", "ui")
    assert ui.stdout
    line = next(line for line in ui.stdout if line.startswith("MLflow: http"))
    page = line.split()[1]
    address = page.partition("/#")[0]
    assert address.startswith("http://127.0.0.1:")
    wait_for(f"{address}/health")
    api = MlflowClient(tracking_uri=address)
    found = api.get_experiment_by_name("convoy")
    compared = json.loads((own.folder / "reports/comparison.json").read_text())
    yield Site(address, api, found.experiment_id, compared)
    os.killpg(ui.pid, signal.SIGTERM)
    ui.wait()


def wait_for(address: str) -> None:
    end = monotonic() + PATIENCE_S
    while monotonic() < end:
        with suppress(OSError), urllib.request.urlopen(address) as answer:
            if answer.status == 200:
                return
        sleep(0.5)
    raise TimeoutError(address)


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    opened = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    opened.set_default_timeout(1000 * PATIENCE_S)
    yield opened
    opened.close()


def show(page: "Page", site: Site, route: str, *texts: str) -> None:
    """Open a page, and wait until it shows all of the texts."""
    joined = "&" if "?" in route else "?"
    page.goto(f"{site.address}/#/{route}{joined}workflowType=machine_learning")
    for text in texts:
        page.get_by_text(text).first.wait_for()


def keep(page: "Page", name: str) -> None:
    if PICTURES:
        shown = {"x": 0, "y": 0, "width": WIDTH - ASSISTANT, "height": HEIGHT}
        page.screenshot(path=Path(PICTURES) / f"{name}.png", clip=shown)


def test_the_first_page_names_states_by_what_they_reached(site: Site, page: "Page") -> None:
    route = f"experiments/{site.experiment}/runs"
    show(page, site, route, site.state)
    keep(page, "mlflow-runs")


def test_the_page_of_a_state_says_the_verdict_and_opens_the_report(
    site: Site, page: "Page"
) -> None:
    run = site.runs()[site.state]
    verdict = site.compared["verdict"]
    show(page, site, f"experiments/{site.experiment}/runs/{run}", verdict[1:60])
    page.get_by_text("Show more").first.click()
    page.get_by_text("(chosen)").first.wait_for()
    picture = page.locator("img[src*='differences.svg']")  # MLflow drops the alternative text
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 100  # it has been loaded
    keep(page, "mlflow-state")
    show(page, site, f"experiments/{site.experiment}/runs/{run}/artifacts", "index.html")
    page.get_by_text("index.html").first.click()
    report = page.frame_locator("iframe").first
    report.get_by_text(verdict[1:60]).first.wait_for()
    keep(page, "mlflow-report")


def test_models_have_a_page_each(site: Site, page: "Page") -> None:
    show(page, site, f"experiments/{site.experiment}/models", "cnn_1", site.compared["chosen"])
    keep(page, "mlflow-models")


def test_runs_are_compared_side_by_side(site: Site, page: "Page") -> None:
    runs = [site.runs()[f"train/{name}"] for name in ("cnn_1", "resnet_1")]
    listed = json.dumps(runs).replace(" ", "")
    route = f'compare-runs?runs={listed}&experiments=["{site.experiment}"]'
    show(page, site, route, "train/cnn_1", "train/resnet_1", "val/log_loss")
    keep(page, "mlflow-compare")


def test_the_registry_says_which_model_is_the_champion_and_why(site: Site, page: "Page") -> None:
    show(page, site, "models/convoy", "champion")
    show(page, site, "models/convoy/versions/1", "champion: the first model to be promoted")
    keep(page, "mlflow-registry")
