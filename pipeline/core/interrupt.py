"""Ctrl-C while a program still imports: no traceback, as it tells a user nothing."""

import sys
from types import TracebackType


def expect_interrupts() -> None:
    """Let an interrupt end this process without a traceback; call before slow imports."""
    sys.excepthook = _show


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
