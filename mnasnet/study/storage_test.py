"""Tests of storage.py."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import sqlalchemy.exc

from mnasnet.base.errors import RequestError
from mnasnet.study.conftest import MAX_MS, SPACE, latency, setup, tell
from mnasnet.study.storage import (
    INTERRUPTED,
    METRICS,
    Place,
    StorageLostError,
    check_identity,
    create_study,
    end_interrupted,
    find_study,
    keep_place,
    kept_in,
    load_study,
    place_of,
    read_setup,
    without_password,
    write_setup,
)
from mnasnet.study.trial import read_trials

KILLED = """
import os, signal, sys
from pathlib import Path
from mnasnet.study.conftest import MAX_MS, SPACE, latency, network, tell
from mnasnet.study.storage import create_study, place_of
from mnasnet.study.trial import set_latency, set_network

study = create_study(place_of(Path(sys.argv[1]), None))
tell(study, median_ms=1.0, correct=900)
trial = study.ask(dict(SPACE.distributions))
set_network(trial, network(trial))
set_latency(trial, latency(1.5), max_ms=MAX_MS)
os.kill(os.getpid(), signal.SIGKILL)
"""
"""Tells one trial and dies in the next one, between its measurement and its training."""


def test_a_search_without_a_database_keeps_its_study_in_its_folder(tmp_path: Path) -> None:
    place = place_of(tmp_path / "mine", None)
    assert place.file == tmp_path / "mine" / "study.db"
    create_study(place)
    assert optuna.load_study(study_name=None, storage=place.url).study_name == "search"


def test_in_a_database_the_study_bears_the_name_of_the_folder(tmp_path: Path) -> None:
    place = place_of(tmp_path / "mine", "postgresql://me@host/db")
    assert (place.name, place.file) == ("mine", None)


def test_the_plain_scheme_of_postgresql_is_served_by_the_driver_that_the_extra_brings(tmp_path: Path) -> None:
    assert place_of(tmp_path, "postgresql://me@host/db").url == "postgresql+psycopg2://me@host/db"
    assert place_of(tmp_path, "postgresql+asyncpg://host/db").url == "postgresql+asyncpg://host/db"


def test_the_file_is_in_wal_mode_so_that_a_report_never_waits(study: optuna.Study, place: Place) -> None:
    assert place.file is not None
    with closing(sqlite3.connect(place.file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_dashboard_finds_the_names_of_both_values(study: optuna.Study, place: Place) -> None:
    assert load_study(place).metric_names == METRICS


def test_creating_a_study_that_is_there_opens_it(study: optuna.Study, place: Place) -> None:
    tell(study, median_ms=1.0, correct=900)
    assert read_trials(create_study(place)) == read_trials(study)


def test_the_setup_comes_back_as_it_was_written(study: optuna.Study, place: Place) -> None:
    assert read_setup(study) is None
    write_setup(study, setup())
    assert read_setup(load_study(place)) == setup()


def test_the_reward_of_a_setup_is_for_its_target_or_for_another(study: optuna.Study) -> None:
    # hard: nothing is lost at the target, half the accuracy at twice the target
    assert setup().rewarded()(accuracy=0.8, latency_ms=2.0) == pytest.approx(0.4)
    assert setup().rewarded(2.0)(accuracy=0.8, latency_ms=2.0) == pytest.approx(0.8)


def test_the_same_identity_is_accepted() -> None:
    assert check_identity(setup(), dict(setup().identity), where="runs/mine") is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("seed", 1, "`seed` 1 here, 0 there"),
        ("target_ms", 5.0, "`target_ms` 5.0 here, not given there"),
        ("data", "beef", "its images were others (another `data` or `max_images`, or "),
        ("flip", True, "`flip` yes here, no there"),
        ("device", "another phone", "device another phone here, host (a CPU) there"),
        ("space", "flat 5eed", "`space` flat here, mnasnet there"),
        ("space", "mnasnet 5eed", "`space` mnasnet 5eed here, mnasnet c0de there"),
    ],
)
def test_another_search_is_refused_by_what_differs(name: str, value: object, said: str) -> None:
    with pytest.raises(RequestError) as refused:
        check_identity(setup(), {**setup().identity, name: value}, where="runs/mine")
    assert said in str(refused.value)
    assert str(refused.value).startswith("runs/mine holds another search")
    assert "`out`" in str(refused.value)


def test_all_that_differs_is_named() -> None:
    other = {**setup().identity, "seed": 1, "width": 1.0}
    with pytest.raises(RequestError, match=r"search: `width` 1.0 here, 0.25 there; `seed` 1 here, 0 there;"):
        check_identity(setup(), other, where="runs/mine")


def test_the_batch_is_not_named_beside_another_sampler_which_has_none() -> None:
    other = {**setup().identity, "sampler": "tpe", "batch": None}
    with pytest.raises(RequestError, match="search: `sampler` tpe here, ppo there; choose"):
        check_identity(setup(), other, where="runs/mine")


def test_what_an_older_version_did_not_keep_differs_from_nothing() -> None:
    check_identity(setup(), {**setup().identity, "new": 1}, where="runs/mine")


SERVER = Place(url="postgresql+psycopg2://me:secret@host/db", name="mine")


def test_a_folder_whose_study_is_in_it_takes_none_on_a_server(tmp_path: Path) -> None:
    create_study(place_of(tmp_path, None))
    keep_place(tmp_path, place_of(tmp_path, None))
    with pytest.raises(RequestError, match=r"study is in .*study\.db, .*or leave `storage` out") as refused:
        keep_place(tmp_path, SERVER)
    assert "secret" not in str(refused.value)


def test_a_folder_whose_study_is_on_a_server_takes_none_in_it_or_on_another(tmp_path: Path) -> None:
    keep_place(tmp_path, SERVER)
    keep_place(tmp_path, SERVER)
    for other in (place_of(tmp_path, None), Place(url="postgresql+psycopg2://other/db", name="mine")):
        with pytest.raises(RequestError, match=r"study is in .*host/db, .*or give that as `storage`"):
            keep_place(tmp_path, other)
    assert "secret" not in (tmp_path / "storage.txt").read_text()


def test_a_report_without_the_storage_is_told_which(tmp_path: Path) -> None:
    keep_place(tmp_path, SERVER)
    with pytest.raises(RequestError, match=r"is in postgresql.*host/db: give that as `storage`"):
        load_study(place_of(tmp_path, None))


def test_what_a_killed_process_left_running_is_marked_with_the_reason(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    study = load_study(place_of(tmp_path, None))
    assert [record.outcome for record in read_trials(study)] == ["trained", "running"]

    assert end_interrupted(study) == 1
    told, interrupted = read_trials(load_study(place_of(tmp_path, None)))
    assert (told.outcome, told.latency) == ("trained", latency(1.0))
    assert (interrupted.outcome, interrupted.reason) == ("failed", INTERRUPTED)
    assert interrupted.latency == latency(1.5)  # what was measured is kept
    assert end_interrupted(study) == 0


def test_nothing_is_made_by_looking_for_a_study(tmp_path: Path) -> None:
    assert find_study(place_of(tmp_path / "none", None)) is None
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_made_in_a_database_by_looking_for_a_study(place: Place) -> None:
    assert place.file is not None
    place.file.parent.mkdir()
    place.file.touch()
    assert find_study(place) is None
    assert place.file.read_bytes() == b""


def test_a_new_study_is_made_without_a_word_and_optuna_stays_as_talkative_as_it_was(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    logging.getLogger("optuna").addHandler(caplog.handler)
    try:
        with kept_in(place):
            create_study(place)
            create_study(place)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        logging.getLogger("optuna").removeHandler(caplog.handler)
        optuna.logging.set_verbosity(before)
    assert caplog.messages == []


def test_a_folder_without_a_search_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=f"no search in {tmp_path}: .*give the folder of a search"):
        load_study(place_of(tmp_path, None))


def test_a_database_without_the_study_is_named(study: optuna.Study, place: Place, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no search in .*no study named 'other'"):
        load_study(replace(place, name="other"))


@pytest.mark.parametrize("begin", [find_study, create_study])
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:secret@127.0.0.1:1/db", "refused"),
        ("nonsense://host/db", "nonsense"),
        ("postgresql+nodriver://host/db", "nodriver"),
        ("postgresql+asyncpg://me:secret@host/db", "needs a driver that is not installed"),
        ("mysql://me:secret@host/db", "not on a PostgreSQL server"),
        ("sqlite:////tmp/shared.db", "not on a PostgreSQL server"),
        ("not a url", "postgresql://user@host/db"),
        ("postgresql://me:secret@host:port/db", "psycopg2://me:***@host:port/db"),
    ],
)
def test_a_storage_that_does_not_answer_is_named_on_one_line_without_its_password(
    tmp_path: Path, begin: object, url: str, said: str
) -> None:
    assert callable(begin)
    with pytest.raises(RequestError) as refused:
        begin(place_of(tmp_path, url))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("begin", [find_study, create_study])
def test_a_file_that_is_no_database_is_named(tmp_path: Path, begin: object) -> None:
    assert callable(begin)
    path = tmp_path / "study.db"
    path.write_bytes(os.urandom(10_000))
    before = path.read_bytes()
    with pytest.raises(RequestError, match=r"study\.db does not answer: file is not a database"):
        begin(place_of(tmp_path, None))
    assert path.read_bytes() == before


def test_a_storage_that_fails_while_a_search_runs_is_lost_and_says_why(place: Place) -> None:
    with pytest.raises(StorageLostError, match=r"out/study.db no longer answers: disk full$"), kept_in(place):
        raise sqlalchemy.exc.OperationalError("UPDATE", {}, Exception("disk full\nmore")) from Exception(
            "disk full\nmore"
        )


def test_another_process_reads_while_this_one_writes(study: optuna.Study, place: Place) -> None:
    tell(study, median_ms=1.0, correct=900)
    trial = study.ask(dict(SPACE.distributions))
    assert [record.outcome for record in read_trials(load_study(place))] == ["trained", "running"]
    trial.set_constraint("latency", 1.0 / MAX_MS - 1)
    study.tell(trial, (0.9, 1.0))
    assert [record.outcome for record in read_trials(load_study(place))] == ["trained", "trained"]


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("postgresql://me:s3cr3t@host/db", "postgresql://me:***@host/db"),
        ("--storage=postgresql://me:s3:cr@t@host:5432/db", "--storage=postgresql://me:***@host:5432/db"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("sqlite:///runs/a:b@c/study.db", "sqlite:///runs/a:b@c/study.db"),
        ("postgresql://h/db?user=me&password=s3cr3t&x=1", "postgresql://h/db?user=me&password=***&x=1"),
        ("photos/", "photos/"),
    ],
)
def test_a_password_is_shown_nowhere(word: str, shown: str) -> None:
    assert without_password(word) == shown


def test_what_failed_before_the_storage_did_is_not_taken_for_its_reason(place: Place) -> None:
    lost = sqlalchemy.exc.OperationalError("UPDATE", {}, Exception("disk full"))
    lost.__context__ = RuntimeError("training diverged")
    with pytest.raises(StorageLostError, match=r"no longer answers: .*disk full"), kept_in(place):
        raise lost
