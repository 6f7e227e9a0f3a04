"""Several gateways and workers on one PostgreSQL and one Redis, every part of which can be hurt and heals."""

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import asyncpg
import psutil

from malgil.storage.embedded import EmbeddedPostgres
from tests.crash.harness import SERVE, Server
from tests.fixtures.redis import RedisServer

# The machine does not lose its power: what a process has written, its next life reads.
_UNSAFE = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}
_PATIENCE = 60.0


class Cluster:
    """Use as a context manager: everything is up when it is entered and gone when it is left.

    `command` is how a process is started, its role apart. As a front it is any of the gateways that live: clients
    come back wherever chance leads them, as through a balancer without sticky sessions. `roles`: one process each,
    all of them with these `settings`.
    """

    def __init__(
        self, folder: Path, *, roles: Sequence[str] = ("gateway", "gateway", "gateway", "ai", "ai"),
        command: Sequence[str] = SERVE, **settings: str,
    ) -> None:
        self._folder = folder
        self._command = command
        self._chance = random.Random(0)
        self._roles = roles
        self._settings = settings
        self.postgres = EmbeddedPostgres(folder / "data", settings=_UNSAFE)
        (folder / "redis").mkdir(parents=True)
        self.redis = RedisServer(folder / "redis")
        self.servers: list[Server] = []
        self.gateways: list[Server] = []
        self.workers: list[Server] = []
        self._database_was_away = False
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            opening.callback(self.redis.kill)
            self.redis.start()
            opening.callback(self.postgres.stop)
            url = await asyncio.to_thread(self.postgres.start)
            made = [(role, await self._server(opening, f"{role}-{n}", role, url)) for n, role in enumerate(self._roles)]
            self.gateways = [server for role, server in made if role != "ai"]
            self.workers = [server for role, server in made if role != "gateway"]
            self.servers = [server for _, server in made]
            for server in self.servers:
                server.start()
            for server in self.servers:
                await server.ready()
            self._stack = opening.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """A gateway that lives; while none does, one that may soon."""
        return self._chance.choice([one for one in self.gateways if one.alive] or self.gateways).url

    async def rows(self, sql: str) -> list[dict[str, object]]:
        """What the database says, asked past the servers."""
        url = self.postgres.running_url()
        assert url is not None, "the database does not run"
        conn = await asyncpg.connect(url)
        try:
            return [dict(row) for row in await conn.fetch(sql)]
        finally:
            await conn.close()

    async def kill_database(self) -> None:
        """kill -9 of the postmaster; its next life recovers what was committed."""
        pid = int((self.postgres.pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
        self._database_was_away = True
        os.kill(pid, signal.SIGKILL)
        # Dying takes a moment, and a start in that moment would find it running.
        await asyncio.to_thread(psutil.wait_procs, [psutil.Process(pid)] if psutil.pid_exists(pid) else [], 10)
        await asyncio.to_thread(self.postgres.start)

    async def restart_database(self) -> None:
        """An operator's fast restart: open transactions are rolled back."""
        self._database_was_away = True
        await asyncio.to_thread(self.postgres.stop)
        await asyncio.to_thread(self.postgres.start)

    async def heal(self) -> None:
        """Everything lives and answers again. Raises AssertionError for what does not."""
        if not self.redis.alive:
            self.redis.start()
        await asyncio.to_thread(self.postgres.start)
        for server in self.servers:
            if server.frozen:
                server.thaw()
            if server.armed:
                server.kill()  # otherwise it would still die at its failpoint, when nobody starts it again
            if not server.alive:
                server.start()
        for server in self.servers:
            try:
                await server.ready(_PATIENCE)
            except AssertionError:
                # Who was in the middle of its start when the database went may give up; somebody starts it again.
                if server.alive or not self._database_was_away:
                    raise
                server.start()
                await server.ready(_PATIENCE)
        self._database_was_away = False

    async def _server(self, opening: AsyncExitStack, name: str, role: str, url: str) -> Server:
        server = Server(
            self._folder / name, command=self._command, database_url=url, REDIS_URL=self.redis.url,
            SERVICE_ROLE=role, **self._settings,
        )
        return await opening.enter_async_context(server)
