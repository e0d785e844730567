"""Ctrl-C while a program still imports ends it at once: a traceback would tell a user nothing."""

import signal


def end_at_once() -> None:
    """Let Ctrl-C end this process without a word; call before slow imports."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_again() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
