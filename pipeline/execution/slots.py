"""The places for fits on this machine. A lock file each is shared by all processes that run here,
so that two commands side by side do not take one device twice."""

from pathlib import Path
from typing import NamedTuple

from pipeline.core.lock import HeldError, hold

FOLDER = Path(".convoy/slots")


class Place(NamedTuple):
    """Where one fit at a time can run."""

    name: str
    environment: dict[str, str]
    """Variables for its processes: the devices that they may see."""


class Slot:
    """A place that is taken until `free` is called or the process ends."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lock = hold(FOLDER / place.name, place.name)

    def free(self) -> None:
        """Let another fit have the place."""
        self._lock.close()


def take(places: list[Place]) -> Slot | None:
    """Take the first free place; return None where all are taken."""
    for place in places:
        try:
            return Slot(place)
        except HeldError:
            continue
    return None


def on_cpu(num: int) -> list[Place]:
    """Return places that share the processor."""
    return [Place(f"cpu_{i}", {}) for i in range(num)]


def on_gpus(ids: list[str], per_fit: int, fits_per_device: int) -> list[Place]:
    """Return a place for every `per_fit` GPUs, times the fits that may share one of them."""
    groups = [ids[i : i + per_fit] for i in range(0, len(ids) - per_fit + 1, per_fit)]
    return [
        Place(f"gpu_{'_'.join(group)}_{number}", {"CUDA_VISIBLE_DEVICES": ",".join(group)})
        for number in range(fits_per_device)
        for group in groups
    ]
