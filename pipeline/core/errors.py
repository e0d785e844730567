"""Errors that tell users what to change when their input cannot work."""

import errno
import re
from collections.abc import Iterable
from difflib import get_close_matches

MOST_NAMED = 20  # allowed names in a message: a data set may have a thousand classes


PASSWORD = re.compile(r"(\w://[^\s:/@]*):\S+@")
OPTION = re.compile(r"([?&]\w*(?:password|token|secret)\w*=)[^&\s'\"]*[^&\s'\":;,.]", re.IGNORECASE)
"""A password in an address, and one among its options, which no message repeats."""


def without_passwords(text: str) -> str:
    """Return a text with `***` for the passwords of the addresses in it."""
    return OPTION.sub(r"\1***", PASSWORD.sub(r"\1:***@", text))


class UserError(Exception):
    """A mistake in the user's input: shown as one line, without a traceback, exit status 1.

    The message says what was given, what is allowed and what to do about it.
    """

    def __str__(self) -> str:
        return without_passwords(" ".join(super().__str__().split()))


FULL = (errno.ENOSPC, errno.EDQUOT)


def full_disk(error: OSError) -> str:
    """Return a message about a full disk; raise any other error."""
    if error.errno not in FULL:
        raise error
    place = f"{error.filename}: " if error.filename else ""
    return (
        f"{place}the disk is full; free some space and run the same command again; what was "
        "finished is kept"
    )


def nearest(given: object, allowed: Iterable[str]) -> str:
    """Return `allowed a, b, c; nearest b`, the closing half of a message about a wrong name.

    What is no text has no nearest; capital letters make no difference.
    """
    allowed = sorted(allowed)
    spelt = {name.casefold(): name for name in allowed}
    text = given.casefold() if isinstance(given, str) else ""
    close = get_close_matches(text, spelt, n=1, cutoff=0.5)
    named = ", ".join(allowed[:MOST_NAMED]) or "none"
    more = f" and {len(allowed) - MOST_NAMED:,} more" if len(allowed) > MOST_NAMED else ""
    return f"allowed {named}{more}" + (f"; nearest {spelt[close[0]]}" if close else "")


def shown(value: object) -> str:
    """Spell a value as params.yaml does, such as `null`, `true` and `[1, 2]`; text is quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {shown(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return repr(value)
