"""The colours of the page and its plots.

Members are blue, ensembles orange, and students green.

They are told apart by all kinds of colour vision, and lines by their dashes as well.
"""

from typing import NamedTuple


class Colour(NamedTuple):
    """A colour on light and on dark paper."""

    light: str
    dark: str


COLOURS = {
    "paper": Colour("#ffffff", "#15181c"),
    "soft": Colour("#f5f6f8", "#1e2227"),
    "line": Colour("#dfe3e8", "#343a42"),
    "ink": Colour("#1b2027", "#e8eaed"),
    "faint": Colour("#57606b", "#a3adb8"),
    "member": Colour("#1f62ad", "#7fb5ef"),
    "ensemble": Colour("#a84c06", "#f2a55c"),
    "student": Colour("#00745a", "#35c79f"),
    "better": Colour("#6aa6e6", "#2b67a8"),
    "worse": Colour("#f3a55a", "#94501a"),
    "warm": Colour("#d9b0e0", "#6d4478"),
}
LINES = (
    COLOURS["member"],
    Colour("#00745a", "#35c79f"),
    Colour("#a6366f", "#ee8fc0"),
    Colour("#8a6a00", "#e4c441"),
    Colour("#59636e", "#b6bfc9"),
    Colour("#1583b5", "#6fd0f5"),
    Colour("#6a4fb8", "#b7a3f3"),
    Colour("#b3382c", "#f58d80"),
)
"""The colours of the lines of a plot; further lines repeat them, in dashes and dots."""


def look(place: int) -> str:
    """Return the style class of the line with this index."""
    return f"line-{place % len(LINES)}" + (" again" if place >= len(LINES) else "")
