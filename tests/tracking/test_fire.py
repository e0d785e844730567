"""A server that is killed, broken, slow, forgetful, closed or full costs a warning and no point."""

import base64
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.conftest import Workspace
from tests.tracking.proxy import (
    Forgetful,
    asking_for,
    before,
    broken,
    hanging_until,
    passing,
    without_right_to,
)
from tests.tracking.reading import Reader, differences, wrong_points
from tests.tracking.servers import Tracking
from tests.tracking.test_mirror import client

pytestmark = pytest.mark.slow
PASSWORD = "s3cret-word"


def named(name: str) -> Any:
    """Give a test an experiment and a registered model of its own, and show stages live."""

    def edit(tree: dict[str, Any]) -> None:
        tree["tracking"] = {"experiment": name, "registered_model": name}

    return edit


def warnings(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith("tracking: ")]


def many_members(first_seed: int, epochs: int) -> Any:
    """Give a recipe many members, each of which trains for a while."""

    def edit(tree: dict[str, Any]) -> None:
        tree["recipes"]["cnn"].pop("search", None)
        tree["recipes"]["cnn"]["training"].update(epochs=epochs, patience=None)
        seeds = enumerate(range(first_seed, first_seed + 40), 1)
        tree["members"] = {f"cnn_{n}": {"recipe": "cnn", "seed": seed} for n, seed in seeds}

    return edit


def train_until(over: threading.Event, workspace: Workspace, address: str) -> list[str]:
    """Train one member after another; return what each has printed."""
    printed = []
    for number in count(1):
        if over.is_set():
            return printed
        printed.append(workspace.stage("train", f"cnn_{number}", MLFLOW_TRACKING_URI=address))
    raise AssertionError


def test_a_server_that_is_killed_again_and_again_ends_with_every_point_once(
    copy: Workspace, server: Tracking, tmp_path: Path
) -> None:
    writers = [copy, copy.copied(tmp_path / "other")]
    for writer, first_seed in zip(writers, (1, 101), strict=True):
        writer.edit(named("killed"))
        writer.edit(many_members(first_seed, epochs=30))
        writer.run("dvc", "repro", "-s", "search@cnn")
    over = threading.Event()
    with ThreadPoolExecutor(2) as threads:
        trained = [threads.submit(train_until, over, w, server.address) for w in writers]
        try:
            for _ in range(3):
                time.sleep(3)
                server.kill()
                server.start()
        finally:
            over.set()
        printed = [text for each in trained for text in each.result()]
    assert all(len(warnings(text)) <= 1 for text in printed), printed
    for writer in writers:
        writer.run("convoy", "sync", MLFLOW_TRACKING_URI=server.address)
    reader = Reader(server.client, "killed")
    for writer in writers:
        assert wrong_points(writer.folder, reader, "train/cnn_*") == []


def test_a_database_that_is_killed_costs_a_warning(copy: Workspace, server: Tracking) -> None:
    copy.edit(named("database"))
    server.database.stop()
    try:
        printed = copy.stage("train", "cnn_1", MLFLOW_TRACKING_URI=server.address)
    finally:
        server.database.start()
    assert len(warnings(printed)) == 1, printed
    copy.run("convoy", "sync", MLFLOW_TRACKING_URI=server.address)
    assert wrong_points(copy.folder, Reader(server.client, "database")) == []


def test_errors_of_a_server_cost_one_warning(copy: Workspace, server: Tracking) -> None:
    copy.edit(named("broken"))
    with before(server.port) as proxy:
        proxy.way = broken
        printed = copy.stage("train", "cnn_1", MLFLOW_TRACKING_URI=proxy.address)
        (warning,) = warnings(printed)
        assert warning.startswith(f"tracking: {proxy.address}: the server answers with errors")
        refused = copy.run("convoy", "sync", status=1, MLFLOW_TRACKING_URI=proxy.address)
        assert refused.count("\n") == 1
        proxy.way = passing
        copy.run("convoy", "sync", MLFLOW_TRACKING_URI=proxy.address)
    assert wrong_points(copy.folder, Reader(server.client, "broken")) == []


def test_a_stage_does_not_wait_for_a_slow_server_and_late_calls_add_nothing(
    copy: Workspace, server: Tracking
) -> None:
    """No call is answered before the stage has ended; then all of them are, beside the sync."""
    copy.edit(named("slow"))
    released = threading.Event()
    with before(server.port) as proxy:
        copy.run("convoy", "sync", MLFLOW_TRACKING_URI=server.address)
        copy.edit(lambda tree: tree["members"]["cnn_1"].update(seed=77))
        stage = copy.start(
            "python", "-m", "stages.train", "cnn_1", MLFLOW_TRACKING_URI=proxy.address
        )
        time.sleep(4)  # in which it begins to push, if the machine is quick
        proxy.way = hanging_until(released)
        assert stage.wait(timeout=120) == 0
        released.set()
        copy.run("convoy", "sync", MLFLOW_TRACKING_URI=proxy.address)
        printed = stage.communicate(timeout=120)[0]
        copy.run("convoy", "sync", MLFLOW_TRACKING_URI=server.address)
    assert len(warnings(printed)) <= 1, printed
    assert wrong_points(copy.folder, Reader(server.client, "slow"), "train/*") == []


def test_answers_that_are_lost_create_nothing_twice(copy: Workspace, server: Tracking) -> None:
    copy.edit(named("forgetful"))
    with before(server.port) as proxy:
        proxy.way = forgetful = Forgetful()
        copy.run("convoy", "sync", MLFLOW_TRACKING_URI=proxy.address)
    assert forgetful.num_lost > 100
    wanted = Reader(client(copy)).all()
    assert differences(wanted, Reader(server.client, "forgetful").all()) == []


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("header", "right"),
    [
        (basic("ann", PASSWORD),
         {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": PASSWORD}),
        (f"Bearer {PASSWORD}", {"MLFLOW_TRACKING_TOKEN": PASSWORD}),
    ],
    ids=["password", "token"],
)  # fmt: skip
def test_a_login_is_given_by_variables_and_a_wrong_one_costs_one_plain_line(
    header: str, right: dict[str, str], workspace: Workspace, server: Tracking
) -> None:
    workspace.edit(named("login"))
    with before(server.port) as proxy:
        proxy.way = asking_for(header)
        wrong = dict.fromkeys(right, "wr0ng") | {"MLFLOW_TRACKING_URI": proxy.address}
        (warning,) = warnings(workspace.stage("preprocess", **wrong))
        refused = workspace.run("convoy", "sync", status=1, **wrong)
        for said in (warning, refused):
            assert said.startswith(f"tracking: {proxy.address}: the login is refused; set MLFLOW_")
            assert "wr0ng" not in said
        assert refused.count("\n") == 1
        workspace.run("convoy", "sync", MLFLOW_TRACKING_URI=proxy.address, **right)
    assert wrong_points(workspace.folder, Reader(server.client, "login")) == []


def test_certificates_are_given_by_variables_and_missing_ones_cost_one_plain_line(
    workspace: Workspace, server: Tracking, tmp_path: Path
) -> None:
    """The server shows a certificate of an authority of its own, and asks its clients for one."""
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    authority.issue_cert("ann@example.org").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "ann.pem"
    )
    trusting = {"MLFLOW_TRACKING_SERVER_CERT_PATH": f"{tmp_path / 'authority.pem'}"}
    known = {**trusting, "MLFLOW_TRACKING_CLIENT_CERT_PATH": f"{tmp_path / 'ann.pem'}"}
    workspace.edit(named("certificates"))
    with before(server.port, tls) as proxy:
        to = {"MLFLOW_TRACKING_URI": proxy.address}
        (warning,) = warnings(workspace.stage("preprocess", **to))
        refused = workspace.run("convoy", "sync", status=1, **to)
        for said in (warning, refused):
            assert said.startswith(f"tracking: {proxy.address}: its certificate is not accepted (")
            assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in said
        unknown = workspace.run("convoy", "sync", status=1, **to, **trusting)
        assert "MLFLOW_TRACKING_CLIENT_CERT_PATH" in unknown
        assert refused.count("\n") == unknown.count("\n") == 1
        workspace.run("convoy", "sync", **to, **known)
    assert wrong_points(workspace.folder, Reader(server.client, "certificates")) == []


def test_a_registry_without_rights_costs_the_registration_alone(
    copy: Workspace, server: Tracking
) -> None:
    copy.edit(named("registry"))
    with before(server.port) as proxy:
        proxy.way = without_right_to("registered-models")
        refused = copy.run("convoy", "sync", status=1, MLFLOW_TRACKING_URI=proxy.address)
        assert ": the model registry: this login has no right to that (" in refused
        assert refused.count("\n") == 1
        assert wrong_points(copy.folder, Reader(server.client, "registry")) == []
        proxy.way = passing
        copy.run("convoy", "sync", MLFLOW_TRACKING_URI=proxy.address)
    assert differences(Reader(client(copy)).all(), Reader(server.client, "registry").all()) == []


FULL = """
set -e
mount -t tmpfs -o size=8m tmpfs "$1"
python -m pipeline sync
head -c 8m /dev/zero > "$1/filler" 2>/dev/null || true
echo full
python -m stages.train cnn_1
echo trained
python -m pipeline sync && exit 1
rm "$1/filler"
python -m pipeline sync
cp "$1/mlflow.db" kept.db
"""


def test_a_full_disk_costs_one_plain_line_until_there_is_room(
    copy: Workspace, tmp_path: Path
) -> None:
    """The database lies on a small file system of its own, which another file has filled."""
    copy.edit(named("full"))
    copy.edit(lambda tree: tree["members"]["cnn_1"].update(seed=77))
    place = tmp_path / "disk"
    place.mkdir()
    try:
        copy.run("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", f"{place}")
    except AssertionError:
        pytest.skip("mounting is not allowed here")
    address = f"sqlite:///{place}/mlflow.db"
    shell = copy.start(
        "unshare", "--mount", "sh", "-c", FULL, "sh", f"{place}", MLFLOW_TRACKING_URI=address
    )
    printed = shell.communicate(timeout=600)[0]
    assert shell.returncode == 0, printed
    trained, synced = printed.split("full\n", 1)[1].split("trained\n")
    assert "the disk is full; free some space" in trained
    assert len(warnings(trained)) == len(warnings(synced)) == 1, printed
    assert "the disk is full; free some space" in synced
