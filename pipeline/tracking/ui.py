"""The MLflow pages on a free loopback port, with two processes instead of fifteen."""

import os
import socket
import subprocess
import sys

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
    print(f"MLflow: http://127.0.0.1:{port}{page}  (Ctrl-C stops it)", flush=True)
    server = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        return server.wait()
    except (KeyboardInterrupt, SystemExit):
        server.terminate()
        return server.wait() and 0


def free_port() -> int:
    """Return a port of the loopback address that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
