"""A real MLflow server on PostgreSQL, with its artifacts in an S3-like store."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient

from pipeline.tracking.ui import free_port
from tests import postgresql, s3


class Tracking:
    """A server that may be killed and started again; its database and its bucket stay."""

    def __init__(self, database: postgresql.Server, bucket: s3.Bucket, name: str) -> None:
        self.port, self._bucket, self._name = free_port(), bucket, name
        self.database = database
        url = database.create(name, *postgresql.IN_UTF8)
        self._url = url.replace("postgresql:", "postgresql+psycopg:")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.address, registry_uri=self.address)

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", f"{self.port}"]
        command += ["--artifacts-destination", f"s3://{s3.BUCKET}/{self._name}"]
        environment = {
            **os.environ,
            **self._bucket.environment,
            "MLFLOW_BACKEND_STORE_URI": self._url,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        self._server = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        s3.wait_for(f"{self.address}/health")

    def kill(self) -> None:
        """Kill all processes of the server at once."""
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()


@contextmanager
def serve(name: str) -> Iterator[Tracking]:
    """Yield a running server with an empty database."""
    with postgresql.serve() as database, s3.serve() as bucket:
        server = Tracking(database, bucket, name)
        server.start()
        try:
            yield server
        finally:
            server.kill()
