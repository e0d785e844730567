"""Logins and passwords stay where the user has put them; the pages are served to this machine."""

import os
import re
import signal

import psutil
import pytest

from tests import postgresql
from tests.conftest import Workspace
from tests.tracking.proxy import asking_for, before
from tests.tracking.reading import Reader
from tests.tracking.servers import Tracking
from tests.tracking.test_fire import basic, named
from tests.tracking.test_mirror import free_port, wait_for

pytestmark = pytest.mark.slow
LOGIN = {
    "MLFLOW_TRACKING_USERNAME": "ann",
    "MLFLOW_TRACKING_PASSWORD": "pass-s3cret",
    "MLFLOW_TRACKING_TOKEN": "token-s3cret",
}
SECRET = re.compile(rf"{re.escape(postgresql.PASSWORD)}|{postgresql.SPELT}|\w+-s3cret".encode())


def printed_by(workspace: Workspace, **given: str) -> str:
    """What a stage and the commands about runs print."""
    stage = workspace.stage("preprocess", **given)
    assert "tracking:" not in stage
    return (
        stage
        + workspace.run("convoy", "sync", **given)
        + workspace.run("convoy", "status", **given)
    )


def files_with_secrets(workspace: Workspace) -> list[str]:
    files = (path for path in workspace.folder.rglob("*") if path.is_file())
    return [f"{p}" for p in files if not p.is_symlink() and SECRET.search(p.read_bytes())]


def test_no_secret_reaches_a_run_a_log_or_an_artifact(
    workspace: Workspace, server: Tracking
) -> None:
    """Of a login, and of a database that is named without a server before it."""
    workspace.edit(named("secrets"))
    with before(server.port) as proxy:
        proxy.way = asking_for(basic("ann", LOGIN["MLFLOW_TRACKING_PASSWORD"]))
        printed = printed_by(workspace, MLFLOW_TRACKING_URI=proxy.address, **LOGIN)
    url = server.database.create("direct", *postgresql.IN_UTF8)
    printed += printed_by(workspace, MLFLOW_TRACKING_URI=url)
    wrong = url.replace(postgresql.SPELT, "wrong-s3cret")
    printed += workspace.run("convoy", "sync", status=1, MLFLOW_TRACKING_URI=wrong)
    assert "postgresql+psycopg://convoy:***@127.0.0.1:" in printed
    assert "correct it in MLFLOW_TRACKING_URI" in printed
    assert not SECRET.search(printed.encode())
    assert files_with_secrets(workspace) == []
    reader = Reader(server.client, "secrets")
    assert len(reader.runs()) == 2
    stored = [run.to_dictionary() for run in reader.runs()]
    assert not SECRET.search(f"{stored}{reader.all()}".encode())


def test_the_pages_are_served_to_this_machine_and_no_process_shows_the_password(
    workspace: Workspace, server: Tracking
) -> None:
    url, port = server.database.create("pages", *postgresql.IN_UTF8), free_port()
    ui = workspace.start(
        "python", "-m", "pipeline", "ui", "--port", f"{port}", MLFLOW_TRACKING_URI=url
    )
    try:
        wait_for(port)
        started = [psutil.Process(ui.pid), *psutil.Process(ui.pid).children(recursive=True)]
        listening = [c.laddr for p in started for c in p.net_connections() if c.status == "LISTEN"]
        assert {(address.ip, address.port) for address in listening} == {("127.0.0.1", port)}
        assert not [p for p in started if SECRET.search(" ".join(p.cmdline()).encode())]
    finally:
        os.kill(ui.pid, signal.SIGTERM)
        ui.wait(timeout=30)
