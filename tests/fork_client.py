"""Run as `python` would: Convoy and DVC in a fork of the server, all else in this process.

python -IS tests/fork_client.py SOCKET ARGUMENT...
"""

import array
import marshal
import os
import signal
import socket
import sys

ROOMS = ("stages", "pipeline", "examples", "dvc", "tests")  # whose modules are run in forks
FORKS_FITS = "from multiprocessing.forkserver import main; main("


def main(address: str, arguments: list[str]) -> None:
    numbers = [0, 1, 2]
    if arguments[:1] == ["-c"] and arguments[1].startswith(FORKS_FITS):
        numbers += map(int, arguments[1].removeprefix(FORKS_FITS).split(",")[:2])
        end_with_parent()
    elif arguments[:1] != ["-m"] or arguments[1].split(".")[0] not in ROOMS:
        os.execv(sys.executable, [sys.executable, *arguments])
    server = socket.socket(socket.AF_UNIX)
    server.connect(address)
    asked = marshal.dumps((arguments, os.getcwd(), dict(os.environ)))  # noqa: PTH109  # no import
    files = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", numbers))]
    server.sendmsg([len(asked).to_bytes(8, "little")], files)
    server.sendall(asked)
    fork = int.from_bytes(server.recv(8), "little")

    def pass_on(signum: int, _: object) -> None:
        try:  # noqa: SIM105  # contextlib would be imported for each command
            os.kill(fork, signum)
        except ProcessLookupError:  # it has ended just now
            pass

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, pass_on)
    status = int.from_bytes(server.recv(8), "little", signed=True)
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def end_with_parent() -> None:
    """End as the process from which a stage forks its fits does, and with it the fork."""
    import ctypes  # for few commands

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
