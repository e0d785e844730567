"""Catch the errors that libtiff prints, since Pillow returns pixels in spite of some of them."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import _imaging

MESSAGE_BYTES = 500

# Looked up in what Pillow is linked with, wherever that lies; cv2 has a libtiff of its own.
_LIBRARY = ctypes.CDLL(_imaging.__file__)
_FORMAT = ctypes.CDLL(None).vsnprintf
_caught: list[str] = []


def _catch(module: bytes | None, template: bytes, arguments: int) -> None:
    """Keep a message; libtiff calls this with a part of its code, and with what `vprintf` takes."""
    text = ctypes.create_string_buffer(MESSAGE_BYTES)
    _FORMAT(text, MESSAGE_BYTES, template, ctypes.c_void_p(arguments))
    _caught.append(f"{(module or b'TIFF').decode()}: {text.value.decode(errors='replace')}")


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)(_catch)
if hasattr(_LIBRARY, "TIFFSetErrorHandler"):  # a Pillow that hides libtiff goes on printing
    _LIBRARY.TIFFSetErrorHandler(_HANDLER)


@contextmanager
def errors_are_raised() -> Iterator[None]:
    """Raise the first error that libtiff reports; one thread at a time may be within.

    Raises:
        OSError: libtiff has reported an error, whether or not Pillow has noticed it.
    """
    _caught.clear()
    try:
        yield
    finally:
        if _caught:
            raise OSError(_caught[0])
