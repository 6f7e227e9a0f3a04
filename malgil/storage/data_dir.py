"""DATA_DIR: made private, locked by one living Malgil, carrying the identity of this node."""

import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from malgil.storage.errors import DataDirLocked, StorageUnusable


class DataDirLock:
    """Holds DATA_DIR for this process, from `acquire` to `release` or to the death of the process.

    The lock is the kernel's (flock on DATA_DIR/lock), so one left by a `kill -9` cannot exist: a stale lock file
    is only a file. Python opens it non-inheritable, so the PostgreSQL we start does not keep it alive.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._fd: int | None = None

    def acquire(self) -> None:
        """Make DATA_DIR when it is missing and lock it. Raises DataDirLocked or StorageUnusable."""
        if self._fd is not None:
            return
        with reporting(self.data_dir):
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise DataDirLocked(
                f"{self.data_dir} is in use by another Malgil (process {holder}).",
                "Stop that one, or give this one a DATA_DIR of its own.",
            ) from None
        with reporting(self.data_dir):
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Let the next one in. The file stays: removing it would let two processes lock two files of one name."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> "DataDirLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def node_id(data_dir: Path) -> str:
    """The identity of this node, made at the first call and kept in DATA_DIR/node_id. Call it under the lock."""
    path = data_dir / "node_id"
    with reporting(data_dir):
        known = path.read_text().strip() if path.exists() else ""
        if known:
            return known
        made = uuid.uuid4().hex
        write_durably(path, made + "\n")
    return made


def write_durably(path: Path, text: str) -> None:
    """Put `text` at `path`, readable by the owner only: after a crash either the old file or the whole new one."""
    half = path.with_name(path.name + ".new")
    fd = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable, so that a rename survives the loss of power."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def reporting(place: Path) -> Iterator[None]:
    """Turns an OSError inside the block into a StorageUnusable that a person can act on."""
    try:
        yield
    except OSError as e:
        raise explain(e, place) from e


def explain(error: OSError, place: Path) -> StorageUnusable:
    """The StorageUnusable that says what `error` means for `place`."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return disk_full(place)
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return StorageUnusable(
                f"{place} cannot be written ({error.strerror}).",
                "Give this user the right to write there, or set DATA_DIR to a folder it owns.",
            )
        case errno.ENOTDIR | errno.EEXIST:
            return StorageUnusable(
                f"{place} cannot be a folder: a file of that name is in the way.",
                "Move the file away, or set DATA_DIR to another path.",
            )
        case errno.ENAMETOOLONG:
            return StorageUnusable(f"The path {place} is too long for this system.", "Set DATA_DIR to a shorter path.")
        case _:
            return StorageUnusable(
                f"{place} cannot be used: {error.strerror or error}.", "Mend that, or set DATA_DIR to another folder."
            )


def disk_full(place: Path) -> StorageUnusable:
    """The error for a full disk under `place`."""
    return StorageUnusable(
        f"The disk that holds {place} is full.",
        "Free some space (a new database needs about 60 MB) and start again; nothing that was answered is lost.",
    )
