"""Which process shows a run while it is running, so that abandoned runs are found."""

import os
from socket import gethostname

import psutil

PROCESS = "convoy.process"


def own() -> str:
    """Return the name of this process: host, id and start."""
    return f"{gethostname()} {os.getpid()} {psutil.Process().create_time():.0f}"


def is_gone(name: str) -> bool:
    """Return whether a process of this host has ended; that of another host is not known."""
    host, _, rest = name.partition(" ")
    if host != gethostname():
        return False
    pid, _, start = rest.partition(" ")
    try:
        return f"{psutil.Process(int(pid)).create_time():.0f}" != start
    except psutil.NoSuchProcess:
        return True
