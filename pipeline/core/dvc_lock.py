"""DVC's record of running commands, which a kill in mid-write leaves unreadable.

DVC then fails for good, with a message about JSON. Records of commands that have ended it removes
itself.
"""

import fcntl
import json
from pathlib import Path

FOLDER = Path(".dvc/tmp")


def remove_torn_record(folder: Path = FOLDER) -> bool:
    """Remove the record if it is unreadable and nobody is writing it; return whether it was."""
    record, guard = folder / "rwlock", folder / "rwlock.lock"
    if not record.is_file():
        return False
    with guard.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            json.loads(record.read_text())
        except (BlockingIOError, FileNotFoundError):
            return False  # a DVC command is writing it
        except ValueError:
            record.unlink()
            return True
    return False
