"""The error of a file that is not a usable image."""

from typing import Literal

BadKind = Literal[
    "empty", "not an image", "truncated", "unreadable", "animated", "too large", "unsupported",
    "link out of the folder",
]  # fmt: skip


class BadImage(Exception):  # noqa: N818  # the image is bad; no code failed
    """A file that is not a usable image; the message is one line that begins with the kind."""

    def __init__(self, kind: BadKind, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = " ".join(detail.split())

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


def too_large(width: int, height: int, allowed: int) -> BadImage:
    """Return the error of an image of more pixels than are allowed."""
    size = f"{width:,} × {height:,} pixels, allowed {allowed:,}"
    return BadImage("too large", f"{size}; cut it into tiles")
