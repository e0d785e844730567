"""An S3-like store of its own, by moto's server, on the loopback address."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.error import URLError

import pytest

from pipeline.tracking.ui import free_port

BUCKET = "convoy"
SECRET = "s3-s3cret"


class Bucket(NamedTuple):
    """An empty bucket in a running store."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """What a client of the store has in its environment."""
        return {
            "AWS_ACCESS_KEY_ID": "convoy",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
        }


@contextmanager
def serve() -> Iterator[Bucket]:
    """Yield an empty bucket, which is gone afterwards."""
    pytest.importorskip("moto")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", f"{port}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    bucket = Bucket(f"http://127.0.0.1:{port}")
    try:
        wait_for(f"{bucket.endpoint}/moto-api/")
        made = urllib.request.Request(f"{bucket.endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(made).close()
        yield bucket
    finally:
        server.kill()
        server.wait()


def wait_for(url: str) -> None:
    """Wait until a server answers."""
    for _ in range(1200):
        with suppress(URLError, OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
