"""The address of the MLflow pages is printed once they can be opened."""

import subprocess
import sys

from pipeline.tracking.ui import answers, free_port

LATE = """
import socket, sys, time
time.sleep(0.5)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)
"""


def test_a_server_answers_once_it_listens() -> None:
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", LATE, str(port)]) as server:
        assert answers(server, port)
        server.kill()


def test_a_server_that_ends_never_answers() -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"]) as server:
        assert not answers(server, free_port())
