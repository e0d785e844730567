"""What one request to the served model may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of a request."""

    max_request_mib: int = 16
    max_images: int = 256
    max_pixels: int = 2**25
    """Of one image, by its header."""
    timeout_s: int = 60
    """For a request to arrive, and again for it to be answered."""
