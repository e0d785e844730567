"""The MLflow pages on a free loopback port, with two processes instead of fifteen."""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress

from pipeline.tracking import address
from pipeline.tracking.relocation import FOLDER


def serve(page: str, port: int | None) -> int:
    """Serve `page` and print its address, until interrupted; return the exit status."""
    if address.uri().startswith("http"):
        whose = "the server in MLFLOW_TRACKING_URI, which Convoy did not start"
        print(f"MLflow: {address.shown()}{page}  ({whose})")
        return 0
    port = port or free_port()
    environment = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_BACKEND_STORE_URI": address.uri(),  # may hold a password, as no argument should
    }
    artifacts = (address.ROOT / FOLDER).as_uri()
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--default-artifact-root", artifacts]
    print("MLflow starts, which takes some seconds", flush=True)
    none = subprocess.DEVNULL  # a line for each request would hide the address
    server = subprocess.Popen(command, env=environment, stdout=none, stderr=none)
    try:
        if answers(server, port):
            print(f"MLflow: http://127.0.0.1:{port}{page}  (Ctrl-C stops it)", flush=True)
        return server.wait()
    except (KeyboardInterrupt, SystemExit):
        server.terminate()
        return server.wait() and 0


def answers(server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the server takes connections; return False if it ends before that."""
    while server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.1)
    return False


def free_port() -> int:
    """Return a port of the loopback address that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
