"""The process behind `run_log.Follower`: `python -m pipeline.tracking.follow FOLDER`."""

import select
import signal
import sys
from pathlib import Path

from pipeline.core.run_log import LAST
from pipeline.tracking.mirror import Mirror

POLL_S = 1.0


def main(folder: Path) -> None:
    """Push metrics as they are written, until standard input says how the stage ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the stage decides when to stop
    try:
        _follow(folder)
    except Exception as error:  # a failing server must not stop the stage
        first_line = str(error).strip().split("\n")[0][:200]
        print(
            f"tracking: {first_line}; the metrics are kept in artifacts/runs, and `python -m "
            "pipeline sync` will push them",
            file=sys.stderr,
        )
        sys.stdin.read()


def _follow(folder: Path) -> None:
    mirror = Mirror()
    run_id = mirror.begin(folder)
    known = mirror.known(run_id)
    while not select.select([sys.stdin], [], [], POLL_S)[0]:
        mirror.push_new(run_id, folder, known)
    word, _, final = sys.stdin.read().partition(" ")
    if word != "FINISHED":
        mirror.end(run_id, word or "KILLED")
    elif Path(final).name in LAST:
        mirror.sync()  # also pushes whatever the server has missed earlier
    else:
        mirror.publish(Path(final))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
