"""`malgil serve`: one process from nothing to answering, and back to nothing in order.

Start: lock DATA_DIR, bind the port, find or start the database, migrate, seed, serve. The port is bound first, since
"port in use" should not cost a database start. Stop (SIGTERM, Ctrl-C): refuse new work, hand running turns over, send
the clients away, close, stop the embedded database.
"""

import asyncio
import errno
import gc
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

import uvicorn
import uvloop

from malgil.app import rooms
from malgil.app.settings import Settings
from malgil.app.supervise import kept_alive
from malgil.app.wiring import Application, build
from malgil.realtime.line import server_options
from malgil.storage.data_dir import DataDirLock, node_id
from malgil.storage.embedded import EmbeddedPostgres
from malgil.storage.errors import StorageUnusable
from malgil.storage.migrate import migrate

# The young generation is what a request allocates; the default of 700 makes the collector the p99 driver.
_GC_THRESHOLDS = (50_000, 20, 100)
_BACKLOG = 2048
# Of the time that a stop may take. The rest is for last words, and for closing the database.
_SENDING_AWAY = 0.9
_LAST_WORDS = 1.0

_log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Serve until told to stop. Raises StorageUnusable and SettingsError-like errors that a person can act upon."""
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        lock = DataDirLock(settings.data_dir)
        lock.acquire()
        stack.callback(lock.release)
        listener = bind(settings.service_host, settings.service_port)
        stack.callback(listener.close)
        url = await _database_url(settings, stack)
        await migrate(url, patience=settings.database_pool_timeout)
        application = await build(settings, url, node=node_id(settings.data_dir))
        stack.push_async_callback(application.close)
        server = Server(_config(settings, application), application.drain, settings.drain_timeout)
        application.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        _greet(settings, listener)
        await server.serve([listener])


async def _database_url(settings: Settings, stack: AsyncExitStack) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    postgres = EmbeddedPostgres(settings.data_dir)
    url = await asyncio.to_thread(postgres.start)
    stack.push_async_callback(asyncio.to_thread, postgres.stop)
    await stack.enter_async_context(kept_alive(postgres))
    return url


def bind(host: str, port: int) -> socket.socket:
    """A listening socket's address taken, before anything else is started. Raises StorageUnusable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Listening at once: a second server that binds the same port with SO_REUSEADDR fails now, not later.
        listener.listen(_BACKLOG)
    except OSError as e:
        listener.close()
        raise _unbindable(host, port, e) from e
    listener.setblocking(False)
    return listener


def _unbindable(host: str, port: int, error: OSError) -> StorageUnusable:
    match error.errno:
        case errno.EADDRINUSE:
            what = f"Port {port} on {host} is in use."
            way_out = "Stop the program that has it, or choose another: SERVICE_PORT=8004 make serve"
        case errno.EACCES:
            what = f"Port {port} may not be used without more rights."
            way_out = "Choose one above 1023: SERVICE_PORT=8004 make serve"
        case _:
            what = f"Cannot listen on {host}:{port}: {error.strerror or error}."
            way_out = "Set SERVICE_HOST to an address of this machine, such as 127.0.0.1."
    return StorageUnusable(what, way_out)


class Server(uvicorn.Server):
    """uvicorn, but before it shuts its connections the application drains. Both have `limit` seconds together."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]], limit: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._limit = limit

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn raises the signal again when it is done, which would end us before we have stopped the database."""
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self.handle_exit, one, None)
        try:
            yield
        finally:
            for one in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(one)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limit * _SENDING_AWAY
        for server in self.servers:
            server.close()
        try:
            async with asyncio.timeout_at(end):
                await self._drain()
        except TimeoutError:
            _log.warning("the drain did not end in time")
        self.config.timeout_graceful_shutdown = max(0, int(end - loop.time()))
        await super().shutdown(sockets)
        if self.server_state.tasks and not self.force_exit:
            # Cancelled by now; each still says so to who asked.
            await asyncio.wait(self.server_state.tasks, timeout=_LAST_WORDS)


def _config(settings: Settings, application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application.asgi, **server_options(rooms.realtime(settings)), loop="none", lifespan="off", log_config=None,
        log_level="warning", access_log=False, server_header=False, proxy_headers=False, backlog=_BACKLOG,
        timeout_keep_alive=int(settings.keep_alive_timeout),
    )


def _greet(settings: Settings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    sys.stderr.write(f"\n  Malgil is ready at {url}\n\n{_first_steps(settings, url)}\n")
    sys.stderr.flush()


def _first_steps(settings: Settings, url: str) -> str:
    """What a person may try first; nothing where only other processes come."""
    if settings.service_role == "ai":
        return "  It makes answers and talks to nobody; clients go to a gateway.\n"
    token = "$(.venv/bin/malgil token --user guest)"
    dev = settings.auth_mode == "dev"
    bearer = "" if dev else f' -H "Authorization: Bearer {token}"'
    chat = f".venv/bin/malgil chat --url {url}" + ("" if dev else f' --token "{token}"')
    return (
        f"  Try it:  curl -N{bearer} -G {url}/agent/chat/stream --data-urlencode 'task=주문 상태 확인'\n"
        f"  Chat:    {chat}\n"
        f"  API:     {url}/docs\n"
        f"  Stop:    Ctrl-C (answers that are being made go on at the next start)\n"
    )
