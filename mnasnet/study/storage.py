"""Where a study is kept, what identifies it, and its repair after a kill."""

import hashlib
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from mnasnet.arch.records import Latency, latency_from_json
from mnasnet.base.errors import RequestError, RunError
from mnasnet.study.identity import differences
from mnasnet.study.reward import REWARDS, Reward
from mnasnet.study.trial import read_trial

DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)
METRICS = ["accuracy", "latency_ms"]
SETUP = "setup"
"""User attribute of the study that holds its `Setup`."""
STUDY, ELSEWHERE = "study.db", "storage.txt"
"""In a search's folder, its study, or where that is kept instead."""
INTERRUPTED = "interrupted: the process that ran it ended"


PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""Of libpq, in seconds and, the last, milliseconds: a server that does not answer, or is no longer reached, is an
error after a minute at most. Without them it would be waited for without end."""

POSTGRESQL = "postgresql+psycopg2"
"""What `postgresql://` means here: the driver that the extra brings. SQLAlchemy's own default moved in 2.1."""


class StorageLostError(RunError):
    """The storage failed while a search ran, and may come back. What it had acknowledged is kept."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a study lives."""

    url: str
    """A database URL as SQLAlchemy writes them."""
    name: str
    """Of the study in the database."""

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None for a database server."""
        prefix = "sqlite:///"
        return Path(self.url.removeprefix(prefix)) if self.url.startswith(prefix) else None


def place_of(out: Path, storage: str | None) -> Place:
    """The study of the search in the folder `out`: in a file there, or in the PostgreSQL database at `storage`.

    In a database that others share, the study bears the folder's name.

    Raises:
        RequestError: another kind of database, in which no two processes could be kept apart.
    """
    if storage is None:
        return Place(url=f"sqlite:///{(out / STUDY).as_posix()}", name="search")
    if not storage.startswith("postgresql"):
        raise RequestError(
            "not on a PostgreSQL server; give one such as postgresql://user@host/db, or none to keep the study in "
            "the folder",
            field="storage",
            value=without_password(storage),
        )
    scheme, separator, rest = storage.partition("://")
    url = f"{POSTGRESQL if scheme == 'postgresql' else scheme}{separator}{rest}"
    return Place(url=url, name=out.resolve().name)


def keep_place(out: Path, place: Place) -> None:
    """Note in the folder `out` where its study is kept, if that is not in the folder itself.

    Raises:
        RequestError: the folder is that of a search whose study is kept elsewhere.
    """
    note = out / ELSEWHERE
    here = note.read_text(encoding="utf-8").strip() if note.is_file() else None
    if here is None and (out / STUDY).is_file():
        here = str(out / STUDY)
    if here not in (None, shown(place)):
        raise RequestError(
            f"{out} holds a search whose study is in {here}, not in {shown(place)}; choose another `out`, or "
            f"{'leave `storage` out' if here == str(out / STUDY) else 'give that as `storage`'}"
        )
    if place.file is None and here is None:
        note.write_text(shown(place) + "\n", encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a search fixed at its start; it stands in the study, and every resume reads it."""

    identity: Mapping[str, Any]
    """What makes it this search and no other: data, space, sizes, device, reward, sampler, seed and so on."""
    reward: str
    """Name in `REWARDS`."""
    target_ms: float
    target_given: bool
    """False where the target is what the reference takes on this device."""
    max_ms: float
    """Networks slower than this are not trained."""
    reference: Latency
    """MobileNetV2 at the same width and image size: what candidates are timed against."""
    smallest_ms: float
    """Latency of the network with the fewest multiply-adds in the space."""
    command: str
    """What began the search."""
    data: str = "not noted"
    """The images, as they were asked for."""

    def rewarded(self, target_ms: float | None = None) -> Reward:
        """The search's reward, or the same for another target."""
        return REWARDS[self.reward](self.target_ms if target_ms is None else target_ms)


def read_setup(study: optuna.Study) -> Setup | None:
    """The setup that the study holds; None where a search was begun but not yet set up."""
    data = study.user_attrs.get(SETUP)
    return None if data is None else Setup(**{**data, "reference": latency_from_json(data["reference"])})


def write_setup(study: optuna.Study, setup: Setup) -> None:
    """Keep the setup in the study."""
    fields = {name: getattr(setup, name) for name in Setup.__dataclass_fields__}
    study.set_user_attr(SETUP, fields | {"reference": setup.reference.to_json()})


def check_identity(setup: Setup, identity: Mapping[str, Any], *, where: str) -> None:
    """Nothing, where `identity` is that of the search that is kept.

    Raises:
        RequestError: it is another search; `where` says in the message what is occupied.
    """
    if (said := differences(setup.identity, identity)) is not None:
        raise RequestError(
            f"{where} holds another search: {said}; choose another `out`, or give what that search was begun with"
        )


def create_study(place: Place) -> optuna.Study:
    """The study at `place`, made if it is not there.

    A SQLite file is put into WAL mode, in which readers never wait; its synchronisation stays full, so that
    what was acknowledged survives a power failure.

    Raises:
        RequestError: the storage does not answer.
    """
    with _answering(place):
        if place.file is not None:
            place.file.parent.mkdir(exist_ok=True)
            with closing(sqlite3.connect(place.file)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
        study = optuna.create_study(
            storage=_storage(place), study_name=place.name, directions=DIRECTIONS, load_if_exists=True
        )
        if study.metric_names is None:
            # Experimental since 3.2, and all that is lost without it are the names in the dashboard.
            with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
                study.set_metric_names(METRICS)
    return study


def find_study(place: Place) -> optuna.Study | None:
    """The study at `place`, or None where there is none; nothing is made.

    Raises:
        RequestError: the storage does not answer.
    """
    if place.file is not None and not place.file.is_file():
        return None
    try:
        with _answering(place):
            engine = sqlalchemy.create_engine(place.url, **_engine_arguments(place))
            try:
                if not sqlalchemy.inspect(engine).has_table("studies"):
                    return None  # Optuna would make its tables first
            finally:
                engine.dispose()
            return optuna.load_study(storage=_storage(place), study_name=place.name)
    except KeyError:
        return None


def load_study(place: Place) -> optuna.Study:
    """The study at `place`, which must be there.

    Raises:
        RequestError: the storage does not answer or holds no such study.
    """
    study = find_study(place)
    if study is None:
        note = None if place.file is None else place.file.with_name(ELSEWHERE)
        if note is not None and note.is_file():
            there = note.read_text(encoding="utf-8").strip()
            raise RequestError(f"the study of {note.parent} is in {there}: give that as `storage`")
        where = shown(place) if place.file is None else place.file.parent
        raise RequestError(
            f"no search in {where}: it holds no study named {place.name!r}; give the folder of a search"
        )
    return study


def end_interrupted(study: optuna.Study) -> int:
    """End what a dead process left RUNNING; how many there were.

    A trial whose network was trained keeps its values, all others fail with the reason. Only for the one process
    that runs the search (`mnasnet.study.lock`, `only_search_at`), with the study's sampler in place, which hears
    of it.
    """
    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in left:
        record = read_trial(trial)
        if record.accuracy is not None and record.latency is not None:
            study.tell(trial.number, (record.accuracy.top1, record.latency.median_ms))
            continue
        # Through the storage, since making a `Trial` of it would show it to the sampler again.
        study._storage.set_trial_user_attr(trial._trial_id, "reason", INTERRUPTED)
        study.tell(trial.number, state=TrialState.FAIL)
    return len(left)


def retry_interrupted(study: optuna.Study) -> None:
    """Have the network in whose trial the last process ended tried once more, before any other.

    Once only: it may be what ended the process.
    """
    for trial in study.get_trials(deepcopy=False)[-1:]:
        is_retry = "fixed_params" in trial.system_attrs  # Optuna's, of an enqueued trial
        if read_trial(trial).reason == INTERRUPTED and trial.params and not is_retry:
            study.enqueue_trial(trial.params)


@contextmanager
def only_search_at(place: Place) -> Iterator[Callable[[], None]]:
    """Hold the study on a PostgreSQL server for this process; the server lets go when the connection ends.

    What is yielded raises SQLAlchemyError where the connection has gone, and the lock with it: to be called before
    each trial, which another process might else end.

    Folders of one name on two machines would otherwise run one study and end each other's trials. A study in a
    file lies in its folder, which has a lock of its own.

    Raises:
        RequestError: another process is searching there, or the server does not answer.
    """
    if not place.url.startswith("postgresql"):
        yield lambda: None
        return
    with _answering(place):
        engine = sqlalchemy.create_engine(place.url, **_engine_arguments(place))
        connection = engine.connect()
        key = int.from_bytes(hashlib.sha256(place.name.encode()).digest()[:8], signed=True)
        held = connection.scalar(sqlalchemy.text("SELECT pg_try_advisory_lock(:key)"), {"key": key})
        connection.commit()  # the lock is the session's, and an open transaction would hinder the server
    try:
        if not held:
            raise RequestError(
                f"another process is searching for {place.name!r} in {shown(place)}; wait for it, or choose "
                "an `out` of another name"
            )

        def still_held() -> None:
            connection.execute(sqlalchemy.text("SELECT 1"))
            connection.commit()

        yield still_held
    finally:
        connection.invalidate()
        engine.dispose()


@contextmanager
def kept_in(place: Place) -> Iterator[None]:
    """Turn what the storage raises into one line that names it, and keep Optuna's own lines about it away.

    Raises:
        StorageLostError: it stopped answering, or its disk is full.
    """
    verbosity = optuna.logging.get_verbosity()
    # It says of every new study that it is one, and shows the query during which a server was lost.
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.ERROR))
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError) as error:
        raise StorageLostError(f"the storage {shown(place)} no longer answers: {_reason(error)}") from error
    finally:
        optuna.logging.set_verbosity(verbosity)


def _storage(place: Place) -> str | RDBStorage:
    """The file's URL, or a server's storage that asks before each use whether its connection still stands.

    A training may last longer than a server, or what lies between, keeps an idle connection.
    """
    if place.file is not None:
        return place.url
    return RDBStorage(place.url, engine_kwargs={"pool_pre_ping": True, **_engine_arguments(place)})


def _engine_arguments(place: Place) -> dict[str, Any]:
    return {} if place.file is not None else {"connect_args": PATIENCE}


@contextmanager
def _answering(place: Place) -> Iterator[None]:
    """Turn what a storage raises at the start into one line that names it."""
    try:
        sqlalchemy.engine.make_url(place.url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:  # the latter for a port that is no number
        raise RequestError(
            "not a database URL; give one such as postgresql://user@host/db",
            field="storage",
            value=without_password(place.url),
        ) from error
    try:
        yield
    except ImportError as error:
        raise RequestError(
            f"the storage {shown(place)} needs a driver that is not installed; for PostgreSQL: "
            "pip install 'mnasnet[postgresql]'"
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, sqlite3.Error, OSError) as error:
        way_out = (
            "start it, or correct `storage`" if place.file is None else "mend it, or choose another `out`"
        )
        raise RequestError(
            f"the storage {shown(place)} does not answer: {_reason(error)}; {way_out}"
        ) from error


def shown(place: Place) -> str:
    """The file, or the URL without its password."""
    return without_password(place.url) if place.file is None else str(place.file)


def without_password(text: str) -> str:
    """The text, such as a word of a command, with `***` for the password of a database URL in it."""
    text = re.sub(r"(://[^:@/]*):.*@", r"\1:***@", text)
    return re.sub(r"([?&]password=)[^&]*", r"\1***", text)


def _reason(error: BaseException) -> str:
    """What the database said, on one line; what was made of it on the way here helps nobody."""
    while (before := error.__cause__ or error.__context__) is not None:
        if error.__cause__ is None and not isinstance(
            before, (sqlalchemy.exc.SQLAlchemyError, StorageInternalError)
        ):
            break  # something else that was being dealt with when the storage failed
        error = before
    said = str(error).strip()
    if said in ("", "()"):  # psycopg2's, of a connection that went
        return "the connection is gone"
    return said.splitlines()[0] + (": make room on the disk" if "disk is full" in said else "")
