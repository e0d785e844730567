"""The file of pretrained weights that a recipe starts from; a change of it retrains the members.

Searches depend on the whole folder of weights, members only on the fingerprint written here: a file
that belongs to another recipe retrains nothing.
"""

from pathlib import Path

from pipeline.core.component import Component
from pipeline.core.dvcfile import content_hash


def fingerprint(model: Component) -> dict[str, str]:
    """Return the SHA-256 of the file by its path; empty where weights are fresh or published.

    Raises:
        UserError: the file does not exist.
    """
    given = model.model_dump().get("pretrained")
    if not isinstance(given, str):
        return {}
    from pipeline.models.pretrained import local  # torch takes 1.5 s to import

    return {given: content_hash(local(Path(given)))}
