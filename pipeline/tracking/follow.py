"""The process behind `run_log.Follower`: `python -m pipeline.tracking.follow FOLDER`."""

import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from time import sleep

from pipeline.core.run_log import LAST
from pipeline.tracking.live import LiveRuns
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.workspace import Workspace

POLL_S = 1.0
ATTEMPTS = 5
LONGEST_S = 600  # from the end of the stage


def main(folder: Path) -> None:
    """Push metrics as they are written, until standard input says how the stage ended."""
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
    mirror = Mirror(_running())
    mirror.close_abandoned()
    runs, is_over = LiveRuns(mirror, folder), _has_word(0)
    while not is_over:
        runs.push()
        is_over = _has_word(POLL_S)
    word, _, final = sys.stdin.read().partition(" ")
    signal.alarm(LONGEST_S)  # no stage waits for a slow server
    if word != "FINISHED":
        runs.push()
    runs.end_ahead()
    if word != "FINISHED":
        runs.end(word or "KILLED")
        mirror.end_state(word or "KILLED")
    elif Path(final).name in LAST:
        Mirror().sync()  # also pushes whatever the server has missed earlier
    else:
        _publish(Path(final))


def _has_word(wait_s: float) -> bool:
    return bool(select.select([sys.stdin], [], [], wait_s)[0])


def _publish(final: Path) -> None:
    """Mirror a run that has ended, while the next stage begins and may replace its own outputs."""
    for _ in range(ATTEMPTS - 1):
        with suppress(FileNotFoundError):
            return Mirror(_running()).publish(final)
        sleep(POLL_S)
    return Mirror(_running()).publish(final)


def _running() -> Workspace:
    """Return the workspace of a pipeline that runs, whose comparison may be of another state."""
    return Workspace(frozenset({"evaluate"}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
