"""DVC's record of running commands, which a kill in mid-write leaves unreadable.

DVC then fails for good, with a message about JSON or the format. Records of commands that have
ended it removes itself.
"""

import fcntl
from pathlib import Path

from pydantic import Field

from pipeline.core.component import Strict
from pipeline.core.errors import UserError

FOLDER = Path(".dvc/tmp")


class Command(Strict):
    """A command that DVC runs."""

    pid: int
    cmd: str


class Record(Strict):
    """What DVC 3 accepts: the commands that write or read each path."""

    write: dict[str, Command] = Field(default_factory=dict)
    read: dict[str, list[Command]] = Field(default_factory=dict)


def remove_torn_record(folder: Path = FOLDER) -> bool:
    """Remove the record if DVC refuses it and nobody is writing it; return whether it was.

    Raises:
        UserError: a folder lies where DVC needs a file.
    """
    record, guard = folder / "rwlock", folder / "rwlock.lock"
    for path in (record, guard):
        if path.is_dir():
            raise UserError(f"{path}: got a folder; allowed a file, which DVC makes; remove it")
    if not record.is_file():
        return False
    with guard.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Record.model_validate_json(record.read_bytes())
        except (BlockingIOError, FileNotFoundError):
            return False  # a DVC command is writing it
        except ValueError:
            record.unlink()
            return True
    return False
