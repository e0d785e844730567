"""When each step of a run was first pushed, so that pushing it again adds no second point.

MLflow takes a metric of one name, step, value and time once. A server may store points and be
killed before it says so, or store them long after nobody waits for it any more; whoever pushes
these points again gives them the same times. These are no result: they lie in scratch space.
"""

from collections.abc import Iterable
from hashlib import sha256

from pipeline.core.paths import SCRATCH
from pipeline.tracking import address


class Times:
    """The times in ms at which the steps of one run were first pushed from this repository."""

    def __init__(self, fingerprint: str) -> None:
        name = sha256(fingerprint.encode()).hexdigest()[:32]
        self._path = address.ROOT / SCRATCH / "times" / name
        self._ms = dict(self._read())

    def _read(self) -> Iterable[tuple[int, int]]:
        if not self._path.is_file():
            return
        for line in self._path.read_text().splitlines():
            parts = line.split()
            if len(parts) == 2:  # others were cut off, before their points were pushed
                yield int(parts[0]), int(parts[1])

    def note(self, steps: Iterable[int], now_ms: int) -> None:
        """Keep the time of the steps that are new; call before they are pushed."""
        new = sorted(set(steps) - self._ms.keys())
        if not new:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write("\n" + "".join(f"{step} {now_ms}\n" for step in new))
        self._ms |= dict.fromkeys(new, now_ms)

    def get(self, step: int, otherwise_ms: int) -> int:
        """Return the time of a step, or the given one if it was never pushed."""
        return self._ms.get(step, otherwise_ms)

    def forget(self) -> None:
        """Remove the times of a run that has been pushed as a whole."""
        self._path.unlink(missing_ok=True)
