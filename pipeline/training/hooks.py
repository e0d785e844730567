"""The Lightning hooks that the callbacks of a fit use."""

from collections.abc import Iterable

from pytorch_lightning import Callback
from pytorch_lightning.utilities.model_helpers import is_overridden

STEP_HOOKS = ("on_before_backward", "on_after_backward", "on_before_optimizer_step")


def hear_steps(callbacks: Iterable[Callback]) -> bool:
    """Return whether a callback implements a hook that is called within a step."""
    return any(
        is_overridden(hook, callback, parent=Callback)
        for callback in callbacks
        for hook in STEP_HOOKS
    )
