"""The storage of a study that several machines share, in PostgreSQL or SQLite.

What depends on the other workers is done while they are excluded: how many trials there are, who
runs which of them, and what is written to a trial. So no trial is suggested beyond the budget, and
a worker that was taken for lost cannot write to a trial that another one has taken over.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.study._frozen import FrozenStudy
from optuna.trial import TrialState
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from pipeline.core.errors import UserError
from pipeline.core.lock import hold
from pipeline.search.record import PARTS, StudyRecord
from pipeline.search.team import Team, difference

KEY = "execution.search_storage"
MISSED = 3  # heartbeats, after which a worker counts as lost
CONNECT_S = 10
IDLE_S, LOCK_S = 300, 600.0
"""How long a worker may exclude the others, if it was lost meanwhile, and how long these wait."""


class SharedStorage:
    """An open storage.

    Args:
        address: an SQLAlchemy URL.
        heartbeat_s: how often a worker shows that it is there.

    Raises:
        UserError: it cannot be reached, refuses the user, or belongs to another version of Optuna.
    """

    def __init__(self, address: str, heartbeat_s: int) -> None:
        self._url, self.heartbeat_s = _parsed(address), heartbeat_s
        self.name = f"{KEY}: {shown_without_secrets(self._url)}"
        folder = Path(f"{self._url.database}").parent
        if self._url.get_backend_name() == "sqlite" and not folder.is_dir():
            raise UserError(f"{self.name}: {folder} is not a folder; create it, or name another")
        with self.explained():
            self._engine = sqlalchemy.create_engine(self._url, **_options(self._url))
            with self.alone("tables"):  # two that create them at once would fail
                self.optuna = self._open()

    def _open(self) -> RDBStorage:
        try:
            return RDBStorage(
                self._url.render_as_string(hide_password=False),
                engine_kwargs=_options(self._url),
                heartbeat_interval=self.heartbeat_s,
                grace_period=MISSED * self.heartbeat_s,
            )
        except RuntimeError:  # whose text is about a command of Optuna
            raise UserError(
                f"{self.name} was made by another version of Optuna; install the packages of "
                "requirements.lock on all machines, or name an empty database"
            ) from None

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn an error of the database into one line without a secret."""
        try:
            yield
        except ImportError:
            raise UserError(
                f"{self.name} needs the package psycopg, which is not installed; install "
                "'psycopg[binary]'"
            ) from None
        except (SQLAlchemyError, StorageInternalError) as error:
            raise UserError(
                f"{self.name} does not work: {self._reason(error)}; correct the address or the "
                "server, and run the same command again: what was finished is kept"
            ) from None

    @contextmanager
    def alone(self, study: str) -> Iterator[None]:
        """Exclude all other workers from a study."""
        if self._url.get_backend_name() == "sqlite":
            with hold(Path(f"{self._url.database}.lock"), self.name, wait_s=LOCK_S):
                yield
            return
        number = int.from_bytes(sha256(f"convoy {study}".encode()).digest()[:8], signed=True)
        with self._engine.begin() as connection:
            connection.execute(sqlalchemy.text(f"SET LOCAL lock_timeout = '{LOCK_S:.0f}s'"))
            connection.execute(
                sqlalchemy.text(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_S}s'")
            )
            connection.execute(
                sqlalchemy.text("SELECT pg_advisory_xact_lock(:number)"), {"number": number}
            )
            yield

    def join(self, recipe: str, fingerprint: str, worker: str, parts: Mapping[str, str]) -> Team:
        """Return the part of one worker in the study of exactly this work."""
        study = f"{recipe}-{fingerprint[:16]}"
        alone = partial(self.alone, study)
        return Team(study, worker, alone, self.heartbeat_s, parts)

    def refuse_unless_same(self, recipe: str, team: Team) -> None:
        """Check that a worker is about to run trials of the study that others run.

        Raises:
            UserError: the storage only has studies of this recipe with other code, parameters or
                data.
        """
        studies = self._studies(recipe)
        if not studies or any(study.study_name == team.study for study in studies):
            return
        last = studies[-1]
        raise UserError(
            f"{self.name} holds no study of {recipe} that is like this one; {last.study_name} has "
            f"{difference(last.user_attrs.get(PARTS, {}), team.parts)}; check out the same commit "
            f"and data, or run `dvc repro search@{recipe}` here, which begins a study of its own"
        )

    def tell_of_others(self, recipe: str, team: Team) -> None:
        """Print which other studies of a recipe have workers, whose trials do not count here."""
        for study in self._studies(recipe):
            with self.explained():
                running = self.optuna.get_all_trials(study._study_id, states=(TrialState.RUNNING,))
                lost = set(self.optuna._get_stale_trial_ids(study._study_id))
            if study.study_name != team.study and any(t._trial_id not in lost for t in running):
                print(
                    f"search {recipe}: workers run trials of another study, {study.study_name}, "
                    f"which has {difference(study.user_attrs.get(PARTS, {}), team.parts)}; to have "
                    "their help, stop them and check out the same commit and data there",
                    flush=True,
                )

    def _studies(self, recipe: str) -> list[FrozenStudy]:
        with self.explained():
            found = self.optuna.get_all_studies()
        return [study for study in found if study.user_attrs.get("recipe") == recipe]

    def _reason(self, error: BaseException) -> str:
        while error.__cause__ is not None:
            error = error.__cause__
        text = f"{getattr(error, 'orig', None) or error}"
        for secret in _secrets(self._url):
            text = text.replace(secret, "***")
        return text.strip().rstrip(".")


@contextmanager
def heart(record: StudyRecord) -> Iterator[None]:
    """Show the other workers all the while that this one still runs its trials."""
    if not record.team.is_shared:
        yield
        return
    has_ended = threading.Event()

    def beat() -> None:
        while True:
            with suppress(SQLAlchemyError, StorageInternalError):  # the next one may succeed
                record.beat()
            if has_ended.wait(record.team.heartbeat_s):
                return

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield
    finally:
        has_ended.set()
        beating.join()


def shown_without_secrets(url: URL) -> str:
    """Write an address with *** for its password, and without options, which may hold another."""
    return url.set(drivername=url.get_backend_name(), query={}).render_as_string()


def _parsed(address: str) -> URL:
    try:
        url = sqlalchemy.make_url(address)
    except (SQLAlchemyError, ValueError):  # which quote the address
        raise UserError(
            f"{KEY}: got an address that cannot be read; allowed "
            "postgresql://user@host:5432/database, with %40 for @ and %2F for / in a password"
        ) from None
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    return url


def _options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {}
    # A cluster that was made in the locale C would answer in bytes without an encoding.
    arguments = {"connect_timeout": CONNECT_S, "client_encoding": "utf8"}
    return {"pool_pre_ping": True, "connect_args": arguments}


def _secrets(url: URL) -> list[str]:
    found = [url.password, *(url.query.get(name) for name in ("password", "sslpassword"))]
    return [f"{secret}" for secret in found if secret]
