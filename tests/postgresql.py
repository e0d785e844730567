"""A PostgreSQL server of its own, from Debian's package, on the loopback address."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

PASSWORD = "s3cret/@word"  # two of its characters have a meaning in an address
SPELT = "s3cret%2F%40word"
IN_UTF8 = ("-E", "UTF8", "-T", "template0")  # otherwise texts are bytes, which MLflow cannot read


class Server:
    """A running server with one user, `convoy`, whose databases are made by name."""

    def __init__(self, binaries: Path, folder: Path, port: int) -> None:
        self.port, self._binaries, self._folder = port, binaries, folder

    def url(self, database: str = "studies", password: str = SPELT) -> str:
        return f"postgresql://convoy:{password}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, *options: str) -> str:
        """Create a database and return its address."""
        place = ("-h", "127.0.0.1", "-p", f"{self.port}", "-U", "convoy")
        self.call("createdb", *place, *options, database)
        return self.url(database)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self._folder} -c fsync=off"
        self.call("pg_ctl", "-w", "-D", f"{self._folder}/data", "-o", options, "start")

    def stop(self) -> None:
        self.call("pg_ctl", "-w", "-D", f"{self._folder}/data", "-m", "immediate", "stop")

    def initialise(self) -> None:
        (self._folder / "password").write_text(PASSWORD)
        (self._folder / "password").chmod(0o644)
        secret = f"--pwfile={self._folder}/password"
        self.call("initdb", "-D", f"{self._folder}/data", "-U", "convoy", "-A", "md5", secret)

    def call(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL, which refuses to run as root."""
        done = subprocess.run(
            [self._binaries / program, *arguments],
            user=_user() if os.getuid() == 0 else None,
            env={"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"], "LC_ALL": "C"},
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # which the server would keep open
            stderr=subprocess.DEVNULL,
        )
        assert done.returncode == 0, program


@contextmanager
def serve() -> Iterator[Server]:
    """Yield a running server; skip the test where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL at hand: apt install postgresql")
    folder = Path(mkdtemp(prefix="convoy_postgresql_", dir="/tmp"))  # which its user may enter
    if os.getuid() == 0:
        shutil.chown(folder, _user())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = Server(found[-1].parent, folder, port)
    server.initialise()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _user() -> str:
    names = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
