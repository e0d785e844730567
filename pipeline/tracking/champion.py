"""Which model is the champion: `champion.json`, which `convoy promote` writes and git keeps.

MLflow's registry mirrors it as aliases, so a store that was lost can be told again.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from pipeline.core.component import Strict
from pipeline.core.errors import UserError
from pipeline.core.files import write_json

FILE = Path("champion.json")


class Standing(Strict):
    """A packaged model, and why it stands where it does."""

    commit: Annotated[str, Field(pattern="^[0-9a-f]{40,64}$")]
    """The commit whose dvc.lock names its results."""
    model: Annotated[str, Field(min_length=1)]
    """The fingerprint of the run that packaged it, which its version in the registry carries."""
    system: Annotated[str, Field(min_length=1)]
    """The ensemble that it is."""
    reason: str


class Standings(Strict):
    """The champion, and the last model that has not taken its place."""

    champion: Standing
    challenger: Standing | None = None

    @classmethod
    def load(cls) -> "Standings | None":
        """Read the file; None before any model was promoted.

        Raises:
            UserError: the file is not what `convoy promote` writes.
        """
        if not FILE.exists():
            return None
        try:
            return cls.model_validate_json(FILE.read_bytes())
        except OSError as error:
            raise UserError(
                f"{FILE}: {error.strerror}; `git checkout {FILE}`, or remove it to begin anew"
            ) from None
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) or "the file"
            raise UserError(
                f"{FILE}: {where}: {error.errors()[0]['msg']}; restore it with "
                f"`git checkout {FILE}`, or remove it to begin anew"
            ) from None

    def save(self) -> None:
        write_json(FILE, self.model_dump())

    def by_alias(self) -> dict[str, Standing | None]:
        """Return the models by their aliases in the registry."""
        return {"champion": self.champion, "challenger": self.challenger}
