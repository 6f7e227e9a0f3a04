"""Real server processes that a test starts, kills, freezes and finds out about; and how to wait for things."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import asyncpg
import httpx
import psutil

from malgil.storage.embedded import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
SERVE = ("-c", "from malgil.app.cli import main; main()", "serve")
TEST_SERVER = ("-m", "tests.crash.server")
PACED = {"STREAM_DELAY_MS": "15", "STREAM_CHUNK_SIZE": "6"}
"""An answer takes about a second and some twenty pieces."""

_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
_KILLED = -signal.SIGKILL


async def until(what: Callable[[], bool], deadline: float, every: float = 0.02) -> bool:
    """Whether `what()` came true within `deadline` seconds."""
    end = time.monotonic() + deadline
    while not what():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(every)
    return True


def free_port(chance: random.Random) -> int:
    """A port that nobody listens on, below those that the system gives to clients: it must stay ours over restarts."""
    while True:
        port = chance.randrange(20_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """One node: a DATA_DIR and a port, and one process after another on them. Close it, whatever happened."""

    def __init__(
        self, folder: Path, *, command: Sequence[str] = SERVE, database_url: str | None = None, **settings: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port(random.SystemRandom())
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = folder / "server.log"
        self._command = command
        self._database_url = database_url
        self._settings = settings
        self.armed = False
        """This life ends at a failpoint, if it gets there."""
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.AsyncClient(timeout=2.0, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        # A database that was just being started has not written yet where it is.
        started = psutil.Process(self._process.pid).children() if self._process and self.alive else []
        self.kill()
        await self._http.aclose()
        if self._database_url is None:
            await asyncio.to_thread(EmbeddedPostgres(self.folder / "data").stop)
        for process in started:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def start(self, failpoints: str = "", *, command: Sequence[str] = ()) -> None:
        """The next life, of another command if one is given. Returns at once."""
        assert not self.alive, "one life at a time"
        self.armed = bool(failpoints)
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | PACED | {
            "PYTHONPATH": str(ROOT), "SERVICE_PORT": str(self.port), "DATA_DIR": str(self.folder / "data"),
            "LOG_FORMAT": "json", "RATE_LIMIT_ENABLED": "false", "MALGIL_FAILPOINTS": failpoints,
        } | self._settings
        if self._database_url is not None:
            environment |= {"DATABASE_URL": self._database_url, "AUTH_MODE": "dev"}
        with self.output.open("ab") as output:
            # In a folder of its own: a developer's .env is none of the test's business.
            self._process = subprocess.Popen(
                [sys.executable, *(command or self._command)], env=environment, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )

    async def ready(self, deadline: float = 60.0) -> bool:
        """Wait until it answers; False when it died at a failpoint first. Raises AssertionError for any other end."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            if not self.alive:
                assert self._process is not None
                assert self._process.returncode == _KILLED, f"the server ended by itself:\n{self.said()[-4000:]}"
                return False
            if await self.answers():
                return True
            await asyncio.sleep(0.03)
        raise AssertionError(f"the server was not ready after {deadline:g} s:\n{self.said()[-4000:]}")

    async def answers(self) -> bool:
        """Whether requests may be sent to it now."""
        try:
            return (await self._http.get(f"{self.url}/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """kill -9, frozen or not. Does nothing when there is none."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def drain(self, deadline: float = 40.0) -> None:
        """SIGTERM, and wait until it has left in order. Raises AssertionError when it does not."""
        assert self._process is not None
        self._process.terminate()
        assert await until(lambda: not self.alive, deadline), f"it does not drain:\n{self.said()[-4000:]}"
        assert self._process.returncode == 0, f"it drained with {self._process.returncode}:\n{self.said()[-4000:]}"

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def alive(self) -> bool:
        """Frozen counts as alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def frozen(self) -> bool:
        if self._process is None or not self.alive:
            return False
        return psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED

    def said(self) -> str:
        """What all its lives have logged."""
        return self.output.read_text(errors="replace")

    async def rows(self, sql: str) -> list[dict[str, object]]:
        """What its database says, asked past the server."""
        url = self._database_url or EmbeddedPostgres(self.folder / "data").running_url()
        assert url is not None, "the database does not run"
        conn = await asyncpg.connect(url)
        try:
            return [dict(row) for row in await conn.fetch(sql)]
        finally:
            await conn.close()
