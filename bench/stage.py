"""What a benchmark stands on: a folder, a database, processes on chosen cores, and what those cost."""

import asyncio
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Self

import psutil

from malgil.access.mint import mint
from malgil.storage.embedded import EmbeddedPostgres
from malgil.storage.migrate import migrate
from tests.fixtures.redis import RedisServer

ROOT = Path(__file__).parents[1]
SERVE = ("-c", "from malgil.app.cli import main; main()", "serve")
USER = "bench"
READY_SECONDS = 60.0

_KEPT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV")


class Process:
    """A child that answers JSON lines, or a server; on one core of its own if asked."""

    def __init__(self, child: "subprocess.Popen[str]", log: Path) -> None:
        self.child = child
        self.log = log
        self._seen = psutil.Process(child.pid)

    def ask(self, do: str, **given: Any) -> dict[str, Any]:
        """What the child answers. Raises RuntimeError when it fails or has died."""
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps({"do": do, **given}) + "\n")
        self.child.stdin.flush()
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """The next answer."""
        line = self.child.stdout.readline() if self.child.stdout else ""
        if not line:
            raise RuntimeError(f"A process of the benchmark has died: {self.log.read_text(errors='replace')[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def cpu(self) -> float:
        """Seconds of CPU so far, all threads, children not included."""
        times = self._seen.cpu_times()
        return float(times.user + times.system)

    def rss(self) -> int:
        """Bytes of memory held."""
        return int(self._seen.memory_info().rss)

    def stop(self) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


class Stage:
    """Use as a context manager: everything started is stopped at its end, and its folder removed."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.secret = secrets.token_urlsafe(48)
        self.url = ""
        self._postgres: EmbeddedPostgres | None = None
        self._shared: dict[str, str] = {}

    def __enter__(self) -> Self:
        folder = tempfile.TemporaryDirectory(prefix="malgil-bench-", ignore_cleanup_errors=True)
        self.folder = Path(self._stack.enter_context(folder))
        self.folder.chmod(0o711)  # for a PostgreSQL that must not run as root
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def database(self) -> str:
        """The URL of a migrated database, set as the product sets its own."""
        postgres = self._postgres = EmbeddedPostgres(self.folder / "database")
        self.url = postgres.start()
        self._stack.callback(postgres.stop)
        asyncio.run(migrate(self.url))
        return self.url

    def database_cpu(self) -> float:
        """Seconds of CPU of all of the database's processes that live."""
        main = psutil.Process(int((self.folder / "database" / "postgres" / "postmaster.pid").read_text().split()[0]))
        total = 0.0
        for one in (main, *main.children(recursive=True)):
            try:
                times = one.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total

    def token(self) -> str:
        """A token of the one user of benchmarks."""
        return mint(
            self.secret, user=USER, tenant="default", roles=["user"], now=datetime.now(UTC), lifetime=timedelta(hours=1)
        )

    def python(self, *arguments: str, core: int | None = None, talks: bool = False, **environment: str) -> Process:
        """Start `python …` in the stage's folder, on one core if named. What it says goes to a log there.

        `talks`: it answers on its standard output.
        """
        log = self.folder / f"{secrets.token_hex(4)}.log"
        errors: IO[bytes] = self._stack.enter_context(log.open("wb"))
        child = subprocess.Popen(
            [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE if talks else errors,
            stderr=errors, text=True, cwd=self.folder, env=self.environment(**environment),
        )
        process = Process(child, log)
        self._stack.callback(process.stop)
        if core is not None:
            pin(child.pid, core)
        return process

    def helper(self, module: str, *arguments: str, core: int | None = None) -> Process:
        """A process of the benchmark's own that obeys commands (`bench.commands`)."""
        process = self.python("-m", module, *arguments, core=core, talks=True)
        process.hear()
        return process

    def redis(self) -> None:
        """A Redis for the servers that are started from now on."""
        folder = self.folder / "redis"
        folder.mkdir()
        server = RedisServer(folder)
        self._stack.callback(server.kill)
        server.start()
        self._shared["REDIS_URL"] = server.url

    def server(
        self, *command: str, core: int | None = None, talks: bool = False, **settings: str
    ) -> tuple[Process, int]:
        """A ready `malgil serve` on this stage's database (or what `command` names), tokens required; and its port."""
        port = free_port()
        settings = self._shared | {
            "DATABASE_URL": self.url, "AUTH_MODE": "jwt", "JWT_SECRET_KEY": self.secret, "LOG_LEVEL": "WARNING",
            "DATA_DIR": str(self.folder / f"data-{port}"), "SERVICE_PORT": str(port), "WS_MAX_CONNECTIONS": "20000",
            "WS_MAX_CONNECTIONS_PER_USER": "20000", "RATE_LIMIT_ENABLED": "false",
        } | settings
        process = self.python(*(command or SERVE), core=core, talks=talks, **settings)
        wait_ready(port, process)
        return process, port

    def environment(self, **more: str) -> dict[str, str]:
        """The caller's environment without anything that could set the product differently."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, "PYTHONPATH": str(ROOT), **more}


def pin(pid: int, core: int) -> None:
    """Keep a process on the first, second … core that we may use, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {cores[core % len(cores)]})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_ready(port: int, process: Process) -> float:
    """Ask /health/ready until it answers 200; the monotonic time at which it did."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.child.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == 200:
                return time.monotonic()
        except OSError:
            time.sleep(0.005)
        finally:
            connection.close()
    process.child.kill()
    raise RuntimeError(f"The server was not ready in time: {process.log.read_text(errors='replace')[-2000:]}")
