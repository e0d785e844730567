"""Errors that tell users what to change when their input cannot work."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_NAMED = 20  # allowed names in a message: a data set may have a thousand classes


class UserError(Exception):
    """A mistake in the user's input: shown as one line, without a traceback, exit status 1.

    The message says what was given, what is allowed and what to do about it.
    """

    def __str__(self) -> str:
        return " ".join(super().__str__().split())


def nearest(given: object, allowed: Iterable[str]) -> str:
    """Return `allowed a, b, c; nearest b`, the closing half of a message about a wrong name."""
    allowed = sorted(allowed)
    close = get_close_matches(str(given), allowed, n=1, cutoff=0.5)
    named = ", ".join(allowed[:MOST_NAMED])
    more = f" and {len(allowed) - MOST_NAMED:,} more" if len(allowed) > MOST_NAMED else ""
    return f"allowed {named}{more}" + (f"; nearest {close[0]}" if close else "")
