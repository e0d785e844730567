"""Which file of weights a recipe starts from: where it changes, its members are trained anew.

Searches depend on the whole folder, members on what is written here alone: a file that another
recipe starts from trains nothing anew.
"""

from pathlib import Path

from pipeline.component import Component
from pipeline.graph import content_hash


def fingerprint(model: Component) -> dict[str, str]:
    """The SHA-256 of the file by its path; empty where weights are fresh or published.

    Raises:
        UserError: it is not there.
    """
    given = model.model_dump().get("pretrained")
    if not isinstance(given, str):
        return {}
    from pipeline.models._weights import local  # torch takes 1.5 s to import

    return {given: content_hash(local(Path(given)))}
