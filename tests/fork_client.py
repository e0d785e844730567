"""Run as `python` would: Convoy and DVC in a fork of the server, all else in this process.

python -IS tests/fork_client.py SOCKET ARGUMENT...
"""

import array
import marshal
import os
import signal
import socket
import sys

ROOMS = ("stages", "pipeline", "examples", "dvc")  # whose modules are run in forks


def main(address: str, arguments: list[str]) -> None:
    if arguments[:1] != ["-m"] or arguments[1].split(".")[0] not in ROOMS:
        os.execv(sys.executable, [sys.executable, *arguments])
    server = socket.socket(socket.AF_UNIX)
    server.connect(address)
    asked = marshal.dumps((arguments[1:], os.getcwd(), dict(os.environ)))  # noqa: PTH109  # no import
    files = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
    server.sendmsg([len(asked).to_bytes(8, "little")], files)
    server.sendall(asked)
    fork = int.from_bytes(server.recv(8), "little")
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda signum, _: os.kill(fork, signum))
    status = int.from_bytes(server.recv(8), "little", signed=True)
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
