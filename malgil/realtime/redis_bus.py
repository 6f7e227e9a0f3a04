"""The bus of several processes, over Redis; imported by app when REDIS_URL is set.

What is published here is heard here at once, without asking Redis, and skipped when it comes back from there. Two
connections: one that writes, one that listens. Either of them mends itself; while Redis is away every process hears
itself, and the reconciliation of the hub brings the rest.
"""

import asyncio
import logging
import random
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from pydantic import TypeAdapter

from malgil.log.model import Entry
from malgil.realtime.bus import MemoryBus, Message
from malgil.resilience.retry import RetryPolicy
from malgil.storage.redis import FAULTS, AbstractConnection, Redis, side_connection

MOST_WAITING: Final = 10_000
MOST_WAITING_BYTES: Final = 8 * 1024 * 1024
"""What may wait for a slow Redis; beyond it messages are dropped."""
BATCH: Final = 256
CHANNELS: Final = 500
"""Channels named in one command."""
ANSWER_SECONDS: Final = 3.0
"""How long Redis may take for a batch; longer than our own event loop is ever held up."""
PING_SECONDS: Final = 3.0
SILENT_SECONDS: Final = 7.0
"""The listening connection is taken for dead when Redis has not even answered pings for so long."""

_BACKOFF: Final = RetryPolicy(worth=lambda error: True, base=0.05, most=1.0)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Told:
    """A message as it travels. `origin` is the process that published it, `db` the number of its Redis database.

    Channels know no such numbers, and two installations that share a server may both have a session `session123`.
    """

    origin: str
    db: int
    kind: str
    entries: tuple[Entry, ...] = ()
    data: dict[str, Any] | None = None


_CODE: Final = TypeAdapter(_Told)


class RedisBus(MemoryBus):
    """Use as a context manager: it writes and listens while it is open. Its client stays the caller's."""

    def __init__(self, client: Redis) -> None:
        super().__init__()
        self._client = client
        self._origin = uuid.uuid4().hex
        self._db = int(client.connection_pool.connection_kwargs.get("db") or 0)
        self._counts = {"published": 0, "received": 0, "dropped": 0}
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._waiting_bytes = 0
        self._work = asyncio.Event()
        self._writes = False
        self._asked: dict[str, bool] = {}
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Return when Redis was reached, or has turned out to be away: a start does not depend on it."""
        writer, listener = asyncio.Event(), asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._keep("publish", self._write, writer), name="bus-writer"),
            asyncio.create_task(self._keep("listen", self._listen, listener), name="bus-listener"),
        ]
        await writer.wait()
        await listener.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def counts(self) -> Mapping[str, int]:
        """Messages `published` to Redis, `received` from others, `dropped` because Redis was away or slow."""
        return self._counts

    async def publish(self, channel: str, message: Message) -> None:
        await super().publish(channel, message)
        try:
            told = _CODE.dump_json(_Told(self._origin, self._db, message.kind, message.entries, message.data))
        except ValueError:
            _log.exception("a message on %s cannot be told to other processes", channel)
            return
        full = len(self._waiting) >= MOST_WAITING or self._waiting_bytes + len(told) > MOST_WAITING_BYTES
        if full or not self._writes:
            self._counts["dropped"] += 1
            return
        self._waiting.append((channel, told))
        self._waiting_bytes += len(told)
        self._work.set()

    # Both connections.

    async def _keep(
        self, what: str, work: Callable[[AbstractConnection], Awaitable[None]], tried: asyncio.Event
    ) -> None:
        """Do `work` on a connection, and on a new one whenever that breaks; said once, not at every attempt."""
        attempt = 0
        while True:
            try:
                connection = await side_connection(self._client)
                try:
                    if attempt:
                        _log.info("Redis answers again: the bus can %s", what)
                    attempt = 0
                    tried.set()
                    await work(connection)
                finally:
                    await connection.disconnect(nowait=True)
            except FAULTS as e:
                if not attempt:
                    _log.warning("Redis is away, the bus cannot %s: %s", what, str(e) or type(e).__name__)
            except Exception:
                _log.exception("the bus failed to %s, will try again", what)
            tried.set()
            await asyncio.sleep(_BACKOFF.delay(attempt, random.random()))
            attempt += 1

    # The one that writes.

    async def _write(self, connection: AbstractConnection) -> None:
        """Send what waits, many at a time. What was under way when Redis died is not sent again: it is too late."""
        self._writes = True
        under_way = 0
        try:
            while True:
                await self._work.wait()
                batch = self._take()
                under_way = len(batch)
                commands: Any = connection.pack_commands([("PUBLISH", channel, told) for channel, told in batch])
                async with asyncio.timeout(ANSWER_SECONDS):
                    await connection.send_packed_command(commands)
                    for _ in batch:
                        await connection.read_response()
                self._counts["published"] += under_way
                under_way = 0
        finally:
            self._writes = False
            self._counts["dropped"] += under_way + len(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0

    def _take(self) -> list[tuple[str, bytes]]:
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        self._waiting_bytes -= sum(len(told) for _, told in batch)
        if not self._waiting:
            self._work.clear()
        return batch

    # The one that listens.

    def _opened(self, channel: str) -> None:
        self._asked[channel] = True
        self._changed.set()

    def _closed(self, channel: str) -> None:
        self._asked[channel] = False
        self._changed.set()

    async def _listen(self, connection: AbstractConnection) -> None:
        self._asked = dict.fromkeys(self._channels, True)
        self._changed.set()
        both = [asyncio.create_task(self._ask(connection)), asyncio.create_task(self._hear(connection))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            ended = await asyncio.gather(*both, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _ask(self, connection: AbstractConnection) -> None:
        """Subscribe and unsubscribe as listeners here come and go; ping while they stay."""
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                await connection.send_command("PING")
                continue
            self._changed.clear()
            asked, self._asked = self._asked, {}
            for command, wanted in (("SUBSCRIBE", True), ("UNSUBSCRIBE", False)):
                channels = [channel for channel, want in asked.items() if want is wanted]
                for start in range(0, len(channels), CHANNELS):
                    await connection.send_command(command, *channels[start : start + CHANNELS])

    async def _hear(self, connection: AbstractConnection) -> None:
        while True:
            reply = await connection.read_response(timeout=SILENT_SECONDS)
            if reply is None:
                raise TimeoutError(f"nothing heard for {SILENT_SECONDS:g} s")
            match reply:
                case [b"message", bytes(channel), bytes(text)]:
                    self._receive(channel.decode(errors="replace"), text)
                case [b"subscribe", bytes(channel), _]:
                    self._now_in_force(channel.decode(errors="replace"))
                case _:
                    pass

    def _now_in_force(self, channel: str) -> None:
        for one in self._channels.get(channel, ()):
            if one.in_force is not None:
                one.in_force()

    def _receive(self, channel: str, text: bytes) -> None:
        try:
            told = _CODE.validate_json(text)
        except ValueError:
            _log.warning("what came on %s is no message of ours: %r", channel, text[:100])
            return
        if told.origin != self._origin and told.db == self._db:
            self._counts["received"] += 1
            self._deliver(channel, Message(told.kind, told.entries, told.data))
