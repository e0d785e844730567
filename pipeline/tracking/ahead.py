"""The runs of members that are trained ahead: by the entry of another member, which runs now."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.core.files import read_json
from pipeline.core.paths import DONE, WORK
from pipeline.core.run_log import RUN_FILE


def ahead(folder: Path) -> Iterator[Path]:
    """Yield the folders of runs that fits write for other entries than that of `folder`.

    What earlier commands have left behind is older than the run of this entry.
    """
    own = read_json(folder / RUN_FILE)
    begun_s = (folder / RUN_FILE).stat().st_mtime
    for path in sorted(WORK.glob(f"{own['stage']}/*/*/*/run/{RUN_FILE}")):
        is_own = read_json(path)["fingerprint"].startswith(own["fingerprint"])
        if not is_own and path.stat().st_mtime >= begun_s:
            yield path.parent


def status(run: Path) -> str:
    """Return the status of such a run once the entry that has worked for it is over."""
    return "FINISHED" if (run.parent / DONE).exists() else "KILLED"
