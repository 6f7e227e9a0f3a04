"""The embedded PostgreSQL: every way a start can go, each with an error that says what to do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from malgil.storage import postmaster
from malgil.storage.data_dir import DataDirLock
from malgil.storage.embedded import LOG_MOST, EmbeddedPostgres
from malgil.storage.errors import StorageUnusable

# Imports first: an ordinary user may not be allowed to read the Python of root.
ORDINARY = """
import os, sys, asyncio, asyncpg, pathlib, encodings.idna
from malgil.storage.data_dir import DataDirLock
from malgil.storage.embedded import EmbeddedPostgres
from malgil.storage.errors import StorageUnusable
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
data = pathlib.Path(sys.argv[1])
server = EmbeddedPostgres(data, settings={"fsync": "off"})
try:
    with DataDirLock(data):
        server.start()
        owner = (data / "postgres").stat().st_uid
        server.stop()
        print("started as", owner == os.geteuid() != 0)
except StorageUnusable as e:
    print("unusable:", e)
"""

Servers = Callable[[Path], EmbeddedPostgres]
FAST = {"fsync": "off"}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Makes servers, and stops those that still run at the end."""
    made: list[EmbeddedPostgres] = []

    def make(data_dir: Path) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(data_dir, settings=FAST))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def ask(url: str, sql: str) -> object:
    conn = await asyncpg.connect(url)
    try:
        return await conn.fetchval(sql)
    finally:
        await conn.close()


def pid_of(server: EmbeddedPostgres) -> int:
    found = postmaster.read(server.pgdata)
    assert found is not None
    return found.pid


async def test_first_start_makes_a_database_with_our_settings(servers: Servers, data_dir: Path) -> None:
    url = servers(data_dir).start()
    assert await ask(url, "SHOW max_connections") == "200"
    assert await ask(url, "SHOW synchronous_commit") == "on"
    assert await ask(url, "SHOW listen_addresses") == ""
    assert await ask(url, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'postgres'") == (
        "bC.UTF-8"
    )


async def test_fsync_is_on_unless_a_test_says_otherwise(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    try:
        assert await ask(server.start(), "SHOW fsync") == "on"
    finally:
        server.stop()


async def test_another_start_attaches_to_the_running_server(servers: Servers, data_dir: Path) -> None:
    first = servers(data_dir)
    url = first.start()
    pid = pid_of(first)
    begun = time.monotonic()
    assert servers(data_dir).start() == url
    assert time.monotonic() - begun < 0.5
    assert pid_of(first) == pid


async def test_it_survives_the_kill_of_its_program_and_is_found_again(servers: Servers, data_dir: Path) -> None:
    program = (
        "import os, signal, sys, pathlib\n"
        "from malgil.storage.data_dir import DataDirLock\n"
        "from malgil.storage.embedded import EmbeddedPostgres\n"
        "data = pathlib.Path(sys.argv[1])\n"
        "DataDirLock(data).acquire()\n"
        "EmbeddedPostgres(data).start()\n"
        "os.killpg(os.getpgid(0), signal.SIGKILL)\n"
    )
    died = subprocess.run([sys.executable, "-c", program, data_dir], start_new_session=True, check=False, cwd=ROOT)
    assert died.returncode == -signal.SIGKILL
    with DataDirLock(data_dir):  # the kernel let the lock go with the process; PostgreSQL did not inherit it
        server = servers(data_dir)
        running = server.running_url()
        assert running is not None
        assert server.start() == running
        assert await ask(running, "SELECT 1") == 1


async def test_stop_keeps_what_was_committed_and_is_idempotent(servers: Servers, data_dir: Path) -> None:
    server = servers(data_dir)
    url = server.start()
    await ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    server.stop()
    assert server.running_url() is None
    assert await ask(server.start(), "SELECT answer FROM kept") == 42


async def test_a_killed_server_is_started_again(servers: Servers, data_dir: Path) -> None:
    server = servers(data_dir)
    url = server.start()
    await ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    held = await asyncpg.connect(url)  # its process outlives the postmaster for a moment
    os.kill(pid_of(server), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while server.running_url():
        assert time.monotonic() < deadline
    assert await ask(server.start(), "SELECT answer FROM kept") == 42
    held.terminate()


async def test_a_stale_pid_file_whose_number_belongs_to_another_program(servers: Servers, data_dir: Path) -> None:
    server = servers(data_dir)
    server.start()
    pid_file = server.pgdata / "postmaster.pid"
    content = pid_file.read_text().splitlines()
    server.stop()
    pid_file.write_text("\n".join([str(os.getppid()), *content[1:]]) + "\n")
    assert server.running_url() is None
    assert await ask(server.start(), "SELECT 1") == 1
    assert pid_of(server) != os.getppid()


async def test_an_empty_pid_file_from_a_full_disk(servers: Servers, data_dir: Path) -> None:
    server = servers(data_dir)
    server.start()
    server.stop()
    (server.pgdata / "postmaster.pid").touch()
    assert await ask(server.start(), "SELECT 1") == 1


async def test_a_first_start_that_crashed_half_way_begins_anew(servers: Servers, data_dir: Path) -> None:
    half = data_dir / "postgres.new.abc"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert await ask(servers(data_dir).start(), "SELECT 1") == 1
    assert not half.exists()


def test_a_folder_that_is_no_database_is_left_alone(servers: Servers, data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "holiday.jpg").touch()
    with pytest.raises(StorageUnusable, match="not a whole PostgreSQL data folder") as caught:
        servers(data_dir).start()
    assert "move it away" in caught.value.way_out
    assert (data_dir / "postgres" / "holiday.jpg").exists()


def test_data_of_another_postgresql(servers: Servers, data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(StorageUnusable, match="made by PostgreSQL 16; this Malgil brings PostgreSQL 18") as caught:
        servers(data_dir).start()
    assert "Back it up" in caught.value.way_out


def test_damaged_files(servers: Servers, data_dir: Path) -> None:
    server = servers(data_dir)
    server.start()
    server.stop()
    (server.pgdata / "global" / "pg_control").write_bytes(b"\0" * 8192)
    with pytest.raises(StorageUnusable, match="its files are damaged") as caught:
        server.start()
    assert "backup" in caught.value.way_out
    assert str(server.log_file) in caught.value.way_out


@pytest.mark.parametrize("speaker", ["initdb", "postgres"])
def test_a_full_disk(speaker: str, servers: Servers, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_dir = data_dir.parent / "bin"
    bin_dir.mkdir(mode=0o755)
    words = "FATAL:  could not write to file: No space left on device"
    for name in ("initdb", "postgres"):
        program = bin_dir / name
        program.write_text(f"#!/bin/sh\necho '{words}' >&2; exit 1\n" if name == speaker else MAKES_A_FOLDER)
        program.chmod(0o755)
    monkeypatch.setattr(postmaster, "binaries", lambda: bin_dir)
    with pytest.raises(StorageUnusable, match="is full") as caught:
        servers(data_dir).start()
    assert "Free some space" in caught.value.way_out
    assert not list(data_dir.glob("postgres.new.*"))


MAKES_A_FOLDER = '#!/bin/sh\necho 18 > "$2/PG_VERSION"\n'


def test_a_server_that_never_gets_ready(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_dir = data_dir.parent / "bin"
    bin_dir.mkdir()
    for name, text in (("initdb", MAKES_A_FOLDER), ("postgres", "#!/bin/sh\nexec sleep 60\n")):
        (bin_dir / name).write_text(text)
        (bin_dir / name).chmod(0o755)
    monkeypatch.setattr(postmaster, "binaries", lambda: bin_dir)
    server = EmbeddedPostgres(data_dir, patience=0.1)
    with pytest.raises(StorageUnusable, match="not ready after 0 s"):
        server.start()
    server.stop()


def test_a_server_that_says_something_new(servers: Servers, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_dir = data_dir.parent / "bin"
    bin_dir.mkdir()
    for name, text in (("initdb", MAKES_A_FOLDER), ("postgres", "#!/bin/sh\necho 'FATAL: a cow ate it'; exit 1\n")):
        (bin_dir / name).write_text(text)
        (bin_dir / name).chmod(0o755)
    monkeypatch.setattr(postmaster, "binaries", lambda: bin_dir)
    with pytest.raises(StorageUnusable, match="a cow ate it"):
        servers(data_dir).start()


def test_a_file_where_the_folder_should_be(servers: Servers, data_dir: Path) -> None:
    data_dir.touch()
    with pytest.raises(StorageUnusable, match="a file of that name is in the way"):
        servers(data_dir).start()


@pytest.mark.parametrize("name", ["d" * 120, "말길 " * 15, 'with "quotes", commas'], ids=["long", "korean", "odd"])
async def test_a_path_no_socket_can_have(name: str, servers: Servers, tmp_path: Path) -> None:
    server = servers(tmp_path / name)
    url = server.start()
    assert await ask(url, "SELECT 1") == 1
    found = postmaster.read(server.pgdata)
    assert found is not None
    assert found.socket_dir != str(server.pgdata)
    assert Path(found.socket_dir).stat().st_mode & 0o777 == 0o700


async def test_a_path_with_spaces_and_korean(servers: Servers, tmp_path: Path) -> None:
    assert await ask(servers(tmp_path / "내 자료").start(), "SELECT 1") == 1


def test_the_log_is_bounded(servers: Servers, data_dir: Path) -> None:
    server = servers(data_dir)
    server.start()
    server.stop()
    server.log_file.write_bytes(b"x" * (LOG_MOST + 1))
    server.start()
    assert server.log_file.stat().st_size < 10_000
    assert server.log_file.with_suffix(".log.old").exists()


def test_without_the_wheel(servers: Servers, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postmaster, "find_spec", lambda _: None)
    with pytest.raises(StorageUnusable, match="not installed") as caught:
        servers(data_dir).start()
    assert "DATABASE_URL" in caught.value.way_out


def as_ordinary_user(data_dir: Path) -> str:
    """What a program of an ordinary user says that starts and stops a server in `data_dir`."""
    done = subprocess.run(
        [sys.executable, "-c", ORDINARY, data_dir], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return done.stdout + done.stderr


def ordinary_home(tmp_path: Path) -> Path:
    """A folder that belongs to the ordinary user of `as_ordinary_user`, and that it can reach."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(home, 65534, 65534)
        postmaster.let_through(home, postmaster.Owner(65534, 65534))
        postmaster.let_through(postmaster.binaries() / "postgres", postmaster.Owner(65534, 65534))
    return home


def test_an_ordinary_user_runs_it_as_itself(tmp_path: Path) -> None:
    assert as_ordinary_user(ordinary_home(tmp_path) / "data") == "started as True\n"


async def test_root_runs_it_as_the_owner_of_the_data(servers: Servers, tmp_path: Path) -> None:
    data_dir = ordinary_home(tmp_path) / "data"
    as_ordinary_user(data_dir)
    server = servers(data_dir)
    assert await ask(server.start(), "SELECT 1") == 1
    assert psutil.Process(pid_of(server)).uids().effective == server.pgdata.stat().st_uid != 0


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    home = ordinary_home(tmp_path)
    if os.geteuid() == 0:
        os.chown(home, 0, 0)
    home.chmod(0o555)
    said = as_ordinary_user(home / "data")
    home.chmod(0o755)
    assert said.startswith("unusable:")
    assert "cannot be written (Permission denied)" in said
    assert "set DATA_DIR to a folder it owns" in said


def test_data_of_another_user(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    mine = data_dir.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: mine + 4242)
    with pytest.raises(StorageUnusable, match="belongs to the user") as caught:
        postmaster.owner_of(data_dir / "postgres")
    assert f"not to {mine + 4242}" in caught.value.detail
