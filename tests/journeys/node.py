"""`malgil serve` as a person starts it: a process of its own, a DATA_DIR of its own, a port of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from malgil.storage.embedded import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
MALGIL = (sys.executable, "-c", "from malgil.app.cli import main; main()")
PACED = {"STREAM_DELAY_MS": "4", "STREAM_CHUNK_SIZE": "8", "LOG_FORMAT": "json"}
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: Callable[[], bool], seconds: float, why: str) -> None:
    """Return as soon as `what()`; AssertionError with `why` when it takes too long."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.02)


class Node:
    """One DATA_DIR and one port, and one process after another on them. Close it, whatever happened."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sockets = f"ws://127.0.0.1:{self.port}"
        self.output = folder / "output"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | PACED | {
            "PYTHONPATH": str(ROOT), "SERVICE_PORT": str(self.port), "DATA_DIR": str(self.data),
        } | settings

    def start(self) -> None:
        """The next life. Returns at once."""
        with self.output.open("ab") as output:
            # In a folder of its own: a developer's .env is none of the test's business.
            self.process = subprocess.Popen(
                [*MALGIL, "serve"], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT,
            )

    def ready(self, seconds: float = 60.0) -> None:
        """Wait until it answers."""

        def answers() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"the server ended by itself:\n{self.said()}"
            try:
                return httpx.get(f"{self.url}/health/ready", trust_env=False, timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        wait_for(answers, seconds, f"the server was not ready in time:\n{self.said()}")

    def end(self, how: signal.Signals = signal.SIGTERM, seconds: float = 20.0) -> int:
        """Send the signal and wait; the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(seconds)

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Another command of `malgil` in the same place."""
        return subprocess.run(
            [*MALGIL, *arguments], env=self.environment | settings, cwd=self.folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False,
        )

    def close(self) -> None:
        """Nothing of it runs any more."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        if self.data.exists():
            EmbeddedPostgres(self.data).stop()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def postmaster(self) -> int:
        """The number of the database's process."""
        return int((self.data / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])

    def database_lives(self) -> bool:
        return EmbeddedPostgres(self.data).running_url() is not None

    def said(self) -> str:
        """What all its lives have written."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def logged(self) -> list[dict[str, Any]]:
        """The lines of its log, without what a start tells a person."""
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]


@contextmanager
def node(**settings: str) -> Iterator[Node]:
    """A node that has not been started yet."""
    # Not under pytest's own folder, which another run of pytest may close to the user that the database runs as.
    with TemporaryDirectory(prefix="malgil-test-", ignore_cleanup_errors=True) as folder:
        made = Node(Path(folder), **settings)
        try:
            yield made
        finally:
            made.close()
