"""DATA_DIR: one living owner, a lasting identity, errors that say what to do."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from malgil.storage.data_dir import DataDirLock, explain, node_id, write_durably
from malgil.storage.errors import DataDirLocked, StorageUnusable

ROOT = Path(__file__).parents[2]
HOLDER = """
import pathlib, sys, time
from malgil.storage.data_dir import DataDirLock
DataDirLock(pathlib.Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_it_is_made_for_its_owner_only(tmp_path: Path) -> None:
    with DataDirLock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_second_malgil_is_refused_and_told_which_process_is_the_first(tmp_path: Path) -> None:
    with DataDirLock(tmp_path), pytest.raises(DataDirLocked, match=f"process {os.getpid()}") as caught:
        DataDirLock(tmp_path).acquire()
    assert "DATA_DIR of its own" in caught.value.way_out
    with DataDirLock(tmp_path):
        pass


def test_acquire_and_release_may_be_repeated(tmp_path: Path) -> None:
    lock = DataDirLock(tmp_path)
    lock.acquire()
    lock.acquire()
    lock.release()
    lock.release()


def test_the_lock_of_a_killed_process_is_gone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DataDirLocked, match=f"process {holder.pid}"):
            DataDirLock(tmp_path).acquire()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with DataDirLock(tmp_path):
            assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = DataDirLock(tmp_path)
    lock.acquire()
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        lock.release()
        DataDirLock(tmp_path).acquire()
        child.kill()


def test_the_node_keeps_its_identity(tmp_path: Path) -> None:
    first = node_id(tmp_path)
    assert len(first) == 32
    assert node_id(tmp_path) == first
    (tmp_path / "other").mkdir()
    assert node_id(tmp_path / "other") != first


def test_an_empty_identity_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "node_id").touch()
    assert node_id(tmp_path) == (tmp_path / "node_id").read_text().strip() != ""


def test_a_durable_write_is_private_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write_durably(tmp_path / "key", "one")
    write_durably(tmp_path / "key", "둘")
    assert (tmp_path / "key").read_text() == "둘"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(StorageUnusable, match="in the way"):
        DataDirLock(tmp_path / "data").acquire()
    with pytest.raises(StorageUnusable, match="in the way"):
        DataDirLock(tmp_path / "data" / "deeper").acquire()


@pytest.mark.parametrize(
    ("number", "detail", "way_out"),
    [
        (errno.ENOSPC, "full", "Free some space"),
        (errno.EDQUOT, "full", "Free some space"),
        (errno.EACCES, "cannot be written", "DATA_DIR"),
        (errno.EROFS, "cannot be written", "DATA_DIR"),
        (errno.ENAMETOOLONG, "too long", "shorter"),
        (errno.EIO, "cannot be used", "DATA_DIR"),
    ],
)
def test_every_error_of_the_system_has_a_way_out(number: int, detail: str, way_out: str) -> None:
    error = explain(OSError(number, os.strerror(number)), Path("/data"))
    assert detail in error.detail
    assert way_out in error.way_out
    assert "/data" in str(error)
