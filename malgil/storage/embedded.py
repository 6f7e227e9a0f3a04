"""The embedded PostgreSQL: a real server in DATA_DIR/postgres, started, found again, stopped.

It is a process of its own, in a session of its own, that outlives a crash of ours: the next start attaches to it at
once. Blocking; the application runs it in a thread, under the DataDirLock.
"""

import hashlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from malgil.storage import last_words, postgres_conf, postmaster
from malgil.storage.data_dir import reporting, sync_folder
from malgil.storage.errors import StorageUnusable
from malgil.storage.postmaster import MAJOR, Owner, Postmaster

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_MOST = 103  # bytes: the shortest limit of the systems we run on (macOS), its NUL left out
LOG_MOST = 4 * 1024 * 1024
ORPHANS_LEAVE = 10.0  # seconds the processes of a killed server get to notice and go

_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"}

_log = logging.getLogger(__name__)


class EmbeddedPostgres:
    """The server of one DATA_DIR. `start` may be called again at any time, also to revive a server that died."""

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None, patience: float = 600.0) -> None:
        """`settings` go over those of postgres_conf; `patience`: seconds a server may recover before we give up."""
        self.data_dir = data_dir.resolve()
        self.pgdata = self.data_dir / "postgres"
        self.log_file = self.data_dir / "postgres.log"
        self._settings = {**postgres_conf.SETTINGS, **(settings or {})}
        self._patience = patience
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self) -> str:
        """Attach to the running server or start one, made first if need be; the URL to reach it by.

        Raises StorageUnusable with what is wrong and the way out.
        """
        bin_dir = postmaster.binaries()
        with reporting(self.data_dir):
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = postmaster.owner_of(self.pgdata)
            self._check_data()
            if self._running() is None:
                postmaster.let_through(self.pgdata, owner)
                postmaster.let_through(bin_dir / "postgres", owner)
                postmaster.let_run(bin_dir)
                if not self._made():
                    self._make(bin_dir, owner)
            return self._url(self._bring_up(bin_dir, owner))

    def running_url(self) -> str | None:
        """The URL of the server when it is running and ready, else None. Starts nothing."""
        found = self._running()
        return self._url(found) if found and found.status == "ready" else None

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, everything committed is on the disk. Idempotent."""
        found = self._running()
        pid = found.pid if found else None
        if pid is None and self._child and self._child.poll() is None:
            pid = self._child.pid  # too young to have written postmaster.pid
        if pid is None:
            return
        for how, seconds in ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0)):
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                return
            if self._gone(pid, seconds):
                return
        raise StorageUnusable(f"PostgreSQL (process {pid}) does not stop.", f"End it: kill -9 {pid}")

    def _made(self) -> bool:
        return (self.pgdata / "PG_VERSION").exists()

    def _check_data(self) -> None:
        if not self._made():
            if self.pgdata.exists() and any(self.pgdata.iterdir()):
                raise StorageUnusable(
                    f"{self.pgdata} is not a whole PostgreSQL data folder (PG_VERSION is missing).",
                    "Restore it from a backup, or move it away to begin with an empty database.",
                )
            return
        made_by = (self.pgdata / "PG_VERSION").read_text().strip()
        if made_by != str(MAJOR):
            raise StorageUnusable(
                f"{self.pgdata} was made by PostgreSQL {made_by}; this Malgil brings PostgreSQL {MAJOR}.",
                f"Back it up with the Malgil that brought PostgreSQL {made_by}, move the folder away "
                "and restore it with this one; or set DATABASE_URL to a server that holds the data.",
            )

    def _make(self, bin_dir: Path, owner: Owner) -> None:
        """initdb beside the place, then one rename: a crash in the middle leaves nothing that looks whole."""
        for left in self.data_dir.glob("postgres.new.*"):
            shutil.rmtree(left, ignore_errors=True)
        # A name of its own: the initdb of a program that was just killed may still be at work in the last one.
        half = Path(tempfile.mkdtemp(prefix="postgres.new.", dir=self.data_dir))
        owner.own(half)
        # The builtin locale sorts by code point, the same way on every system and for ever.
        command: list[str | Path] = [
            bin_dir / "initdb", "-D", half, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions",
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        ]
        if self._settings["fsync"] == "off":
            command.append("--no-sync")
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
            env=_ENVIRONMENT, user=owner.user, group=owner.group, extra_groups=owner.groups, check=False,
        )
        if done.returncode != 0:
            shutil.rmtree(half, ignore_errors=True)
            said = done.stdout.decode("utf-8", "replace")
            self.log_file.write_text(said)
            raise last_words.meaning(said, self.pgdata, self.log_file)
        with (half / "postgresql.conf").open("a") as conf:
            conf.write("\ninclude_if_exists 'malgil.conf'\n")
        half.rename(self.pgdata)
        sync_folder(self.data_dir)

    def _bring_up(self, bin_dir: Path, owner: Owner) -> Postmaster:
        """The server once it is ready, launched when there is none; says now and then that it is recovering."""
        begun = told = time.monotonic()
        launched = False  # in this call; a child of an earlier one that dies meanwhile is only to be replaced
        while True:
            found = self._running()
            if found and found.status == "ready":
                return found
            now = time.monotonic()
            if self._child and self._child.poll() is not None:
                self._child = None
                said = self._said()
                if launched and (last_words.STILL_USED not in said or now - begun > ORPHANS_LEAVE):
                    raise last_words.meaning(said, self.pgdata, self.log_file)
            elif self._child is None and found is None:
                self._launch(bin_dir, owner)
                launched = True
            if now - begun > self._patience:
                raise StorageUnusable(
                    f"PostgreSQL in {self.pgdata} is not ready after {self._patience:.0f} s.",
                    f"Look into {self.log_file}, then start again: it goes on where it was.",
                )
            if now - told > 10:
                told = now
                _log.warning("PostgreSQL is still recovering, %.0f s so far", now - begun)
            time.sleep(0.02)

    def _launch(self, bin_dir: Path, owner: Owner) -> None:
        settings = {**self._settings, "unix_socket_directories": f'"{self._socket_dir(owner)}"'}
        conf = self.pgdata / "malgil.conf"
        conf.write_text(postgres_conf.render(settings))
        owner.own(conf)
        environment = dict(_ENVIRONMENT)
        stale = postmaster.read(self.pgdata)
        if stale:
            # PostgreSQL refuses a left-over postmaster.pid whose number now belongs to any living program, except
            # one it is told is an ancestor of its own. The rest of that file still protects: while an orphan of the
            # dead server uses its shared memory, the new one does not start.
            environment["PG_GRANDPARENT_PID"] = str(stale.pid)
        else:
            (self.pgdata / "postmaster.pid").unlink(missing_ok=True)  # empty or cut short, by a full disk
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_MOST:
            self.log_file.replace(self.log_file.with_suffix(".log.old"))
        if self._child is not None:
            self._child.poll()  # buries the one before, which would stay a zombie otherwise
        with self.log_file.open("ab") as log:
            self._log_start = log.tell()
            self._child = subprocess.Popen(
                [bin_dir / "postgres", "-D", self.pgdata], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env=environment, start_new_session=True,
                user=owner.user, group=owner.group, extra_groups=owner.groups,
            )

    def _said(self) -> str:
        """What the server has logged since its launch."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def _running(self) -> Postmaster | None:
        found = postmaster.read(self.pgdata)
        return found if found and self._lives(found.pid) else None

    def _lives(self, pid: int) -> bool:
        if self._child and self._child.pid == pid:
            return self._child.poll() is None  # asking buries it when it is dead, so that it does not look alive
        return postmaster.serves(pid, self.pgdata)

    def _gone(self, pid: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._lives(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        self._child = None
        return True

    def _socket_dir(self, owner: Owner) -> Path:
        """The data folder, or a private one of our own when its path is too long or too odd for a socket."""
        path = str(self.pgdata)
        if len(os.fsencode(path)) + 1 + len(SOCKET_NAME) <= SOCKET_PATH_MOST and not set(path) & set("\"'\\,\n"):
            return self.pgdata
        name = hashlib.sha256(f"{path}:{self.pgdata.stat().st_ino}".encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"malgil-{name}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in (os.geteuid(), owner.uid):
            raise StorageUnusable(f"{folder} belongs to somebody else.", "Set DATA_DIR to a shorter path.")
        folder.chmod(0o700)
        owner.own(folder)
        return folder

    def _url(self, server: Postmaster) -> str:
        return f"postgresql://postgres@/postgres?host={quote(server.socket_dir, safe='')}"
