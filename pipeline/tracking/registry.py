"""The packaged models of all states, as versions of one registered model."""

from functools import partial
from typing import TYPE_CHECKING

from pipeline.tracking.connection import ALREADY, GONE, despite
from pipeline.tracking.document import FINGERPRINT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

DESCRIPTION_CHARS = 5000
"""The longest description that every database takes."""


class Registry:
    """The registered models of a tracking server; a version is found by its fingerprint."""

    def __init__(self, client: "MlflowClient") -> None:
        self._client = client

    def register(self, name: str, run_id: str, fingerprint: str, description: str) -> str:
        """Register the run's `model` as a version of `name`, once for each fingerprint.

        Args:
            description: Markdown; replaces that of a version that is there.

        Returns:
            The number of the version.
        """
        text = description[:DESCRIPTION_CHARS]
        if not self._client.search_registered_models(f"name = '{name}'"):
            despite(ALREADY, partial(self._client.create_registered_model, name))
        version = self._versions(name).get(fingerprint)
        if version is None:
            source = f"{self._client.get_run(run_id).info.artifact_uri}/model"
            tags = {FINGERPRINT: fingerprint}
            self._client.create_model_version(name, source, run_id, tags=tags, description=text)
            version = self._only(name, fingerprint)
        elif version.description != text:
            self._client.update_model_version(name, f"{version.version}", text)
        return f"{version.version}"

    def place(self, name: str, alias: str, fingerprint: str | None) -> None:
        """Move an alias to the version with a fingerprint.

        Args:
            fingerprint: None takes the alias away. A version that the registry lacks changes
                nothing: it is registered when its state is mirrored.
        """
        versions = self._versions(name)
        present = self._client.get_registered_model(name).aliases.get(alias) if versions else None
        if fingerprint is None and present is not None:
            self._client.delete_registered_model_alias(name, alias)
        for model, other in versions.items():
            if model != fingerprint and f"{other.description}".startswith(f"{alias}: "):
                text = f"was {other.description}"
                self._client.update_model_version(name, f"{other.version}", text)
        version = versions.get(fingerprint) if fingerprint else None
        if version and f"{version.version}" != f"{present}":
            self._client.set_registered_model_alias(name, alias, version.version)

    def _only(self, name: str, fingerprint: str) -> "ModelVersion":
        """Return the version that was created; remove one that a repeated call has created."""
        first, *doubles = (v for v in self._all(name) if v.tags[FINGERPRINT] == fingerprint)
        for double in doubles:
            despite(GONE, partial(self._client.delete_model_version, name, f"{double.version}"))
        return first

    def _versions(self, name: str) -> dict[str, "ModelVersion"]:
        return {version.tags[FINGERPRINT]: version for version in reversed(self._all(name))}

    def _all(self, name: str) -> list["ModelVersion"]:
        """Return the versions of this program, the first one first."""
        found = self._client.search_model_versions(f"name = '{name}'")
        own = (version for version in found if FINGERPRINT in version.tags)
        return sorted(own, key=lambda version: int(version.version))
