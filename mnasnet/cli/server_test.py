"""A search whose study lives on a real PostgreSQL server, and a study in a real `optuna-dashboard`."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from mnasnet.cli.conftest import TINY, ended, started
from mnasnet.cli.interruption_test import read_until
from mnasnet.study.storage import load_study, only_search_at, place_of
from mnasnet.study.trial import ProposedTrial, TrialRecord, read_trials

pytestmark = pytest.mark.slow


PASSWORD = "a-word-to-hide"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@dataclass(frozen=True, kw_only=True)
class Server:
    """A database server on this machine, for one test."""

    programs: Path
    """Where PostgreSQL's programs are."""
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs, which refuse to run as root."""
        as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*as_owner, str(self.programs / program), "-D", str(self.folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder}"
        self.run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-m", "immediate", "stop")


@pytest.fixture
def server() -> Iterator[Server]:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = [*installed, *map(Path, filter(None, [shutil.which("initdb")]))]
    assert found, "PostgreSQL is not installed; on Debian: apt-get install postgresql"
    # Not below pytest's own folder, into which another user may not look.
    with tempfile.TemporaryDirectory(prefix="mnasnet-postgresql-") as folder:
        server = Server(programs=found[0].parent, folder=Path(folder), port=free_port())
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        server.run("initdb", "-U", "postgres", "-A", "trust", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def tried(out: Path, server: Server) -> list[TrialRecord]:
    return read_trials(load_study(place_of(out, server.url)))


def test_a_search_on_a_server_goes_on_there(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    command: list[str | Path] = ["search", *TINY, "--finalists", "0", "--storage", server.url, "--out", out]
    first = ended(started([*command, "--trials", "2"]))
    assert first.status == 0, first.err
    before = tried(out, server)
    assert [record.charged for record in before].count(True) == 2
    assert not (out / "study.db").exists()
    assert (out / "report.html").is_file()

    more = ended(started([*command, "--trials", "3"]))
    assert more.status == 0, more.err
    after = tried(out, server)
    assert after[: len(before)] == before
    assert [record.charged for record in after].count(True) == 3

    report = ended(started(["report", out, "--storage", server.url]))
    assert report.status == 0, report.err
    assert "3 networks trained" in report.out

    other = ended(started([*command, "--seed", "1"]))
    assert other.status == 2
    assert "holds another search: --seed 1 here, 0 there;" in other.line

    said = [first.out, more.out, report.out, other.line, (out / "report.html").read_text(encoding="utf-8")]
    said.append(str(load_study(place_of(out, server.url)).user_attrs))
    assert ["***" in text for text in said[-2:]] == [True, True]
    assert not any(PASSWORD in text for text in said)


def test_looking_for_a_search_leaves_a_new_server_as_it_was(server: Server, tmp_path: Path) -> None:
    looked = ended(started(["report", tmp_path, "--storage", server.url]))
    assert looked.status == 2
    assert f"it holds no study named {tmp_path.name!r}" in looked.line
    engine = sqlalchemy.create_engine(place_of(tmp_path, server.url).url)
    assert sqlalchemy.inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_server_that_is_lost_ends_the_search_and_back_again_lets_it_go_on(
    server: Server, tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    command: list[str | Path] = ["search", *TINY, "--finalists", "0", "--storage", server.url, "--out", out]
    process = started([*command, "--trials", "100"])
    read_until(process, "[2/100]")
    server.stop()
    lost = ended(process)
    assert lost.status == 1
    storage = f"postgresql+psycopg2://postgres:***@127.0.0.1:{server.port}/postgres"
    assert f"the storage {storage} no longer answers: " in lost.line
    assert "what was finished is kept" in lost.line

    server.start()
    before = [record for record in tried(out, server) if type(record) is not ProposedTrial]
    trained = [record.charged for record in before].count(True)
    assert trained >= 2
    again = ended(started([*command, "--trials", str(trained + 1)]))
    assert again.status == 0, again.err
    after = tried(out, server)
    assert after[: len(before)] == before
    assert [record.charged for record in after].count(True) == trained + 1


def test_the_dashboard_shows_every_trial_with_both_values(kept: Path) -> None:
    port = free_port()
    program = Path(sys.executable).with_name("optuna-dashboard")
    assert program.exists(), "optuna-dashboard is not installed: pip install 'mnasnet[dashboard]'"
    command: list[str | Path] = [
        program,
        f"sqlite:///{kept}/study.db",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]

    def asked(path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return json.load(reply)

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as dashboard:
        try:
            for _ in range(300):
                try:
                    (study,) = asked("/api/studies")["study_summaries"]
                    break
                except urllib.error.URLError:
                    time.sleep(0.1)
            assert study["study_name"] == "search"
            shown = asked(f"/api/studies/{study['study_id']}")
        finally:
            dashboard.terminate()
    assert shown["objective_names"] == ["accuracy", "latency_ms"]
    assert shown["directions"] == ["maximize", "minimize"]
    assert [(trial["state"], trial.get("values")) for trial in shown["trials"]][:2] == [
        ("Complete", [0.9, 1.0]),
        ("Complete", [0.95, 1.5]),
    ]
    assert shown["trials"][2]["state"] == "Running"


def test_a_server_that_accepts_and_never_answers_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/db"
        found = ended(started(["search", *TINY, "--out", tmp_path / "out", "--storage", url]))
    assert found.status == 2
    assert "does not answer: " in found.line
    assert not (tmp_path / "out").exists()


def test_a_search_whose_lock_was_lost_stops_before_another_can_end_its_trials(
    server: Server, tmp_path: Path
) -> None:
    place = place_of(tmp_path / "mine", server.url)
    with only_search_at(place) as still_held:
        still_held()
        engine = sqlalchemy.create_engine(place.url)
        with engine.connect() as other:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            other.execute(sqlalchemy.text(f"{others} AND usename = 'postgres'"))
            other.commit()
        engine.dispose()
        with pytest.raises(sqlalchemy.exc.OperationalError):
            still_held()
