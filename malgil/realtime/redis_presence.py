"""Presence over several processes; imported by app when REDIS_URL is set.

    ws:sessions:{session_id}      who is in a session: <process>:<user id>, scored by when it expires
    ws:connections:{user_id}      where a user is connected: <connection id> <session id>, scored likewise

Each process writes its own part and renews it, and learns from the answer what the others have written; the clock is
Redis's own. The bus only says that there is something new to be read. Redis may die, be started again or be flushed:
the next renewal writes everything once more.
"""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from malgil.realtime.bus import Bus, Message, Unsubscribe, presence_channel
from malgil.realtime.presence import MemoryPresence, Present, names
from malgil.storage.redis import FAULTS, Redis

AT_ONCE: Final = 100
"""Sessions, or connections, in one round trip."""
GATHER_SECONDS: Final = 0.01
"""Of a crowd that comes at once, what comes within this time is written at once."""
RETRY_SECONDS: Final = 0.5

# Our part of some sessions: what is there now replaces it. For each: how many of its members changed, and the others'.
_SHARE: Final = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local ours = ARGV[1] .. ':'
local at, found = 4, {}
for i, key in ipairs(KEYS) do
    local changed = redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    local mine, others = {}, {}
    for j = at + 1, at + ARGV[at] do
        mine[ours .. ARGV[j]] = true
        changed = changed + redis.call('ZADD', key, now + ARGV[2], ours .. ARGV[j])
    end
    at = at + ARGV[at] + 1
    for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
        if string.sub(member, 1, #ours) ~= ours then
            others[#others + 1] = string.match(member, ':(.*)')
        elseif not mine[member] then
            changed = changed + redis.call('ZREM', key, member)
        end
    end
    redis.call('EXPIRE', key, ARGV[3])
    found[i] = {changed, others}
end
return found
"""

# Connections that came (or are still there) and went, in their order.
_RECORD: Final = """
local now = redis.call('TIME')[1]
for i, key in ipairs(KEYS) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if ARGV[2 * i] == '+' then
        redis.call('ZADD', key, now + ARGV[1], ARGV[2 * i + 1])
        redis.call('EXPIRE', key, ARGV[1])
    else
        redis.call('ZREM', key, ARGV[2 * i + 1])
    end
end
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Leases:
    """In seconds: how long what a process said is believed, how often it says it again, how long records stay."""

    member: float = 30.0
    renew: float = 10.0
    record: int = 300
    record_renew: float = 100.0


class RedisPresence(MemoryPresence):
    """Use as a context manager: one task talks to Redis while it is open. Its client and bus stay the caller's."""

    def __init__(self, client: Redis, bus: Bus, leases: Leases | None = None) -> None:
        super().__init__()
        self._bus = bus
        self._leases = leases or Leases()
        self._process = uuid.uuid4().hex[:16]
        self._share: Any = client.register_script(_SHARE)
        self._record: Any = client.register_script(_RECORD)
        self._listening: dict[str, Unsubscribe] = {}
        self._due: dict[str, None] = {}
        """Sessions to be written and read."""
        self._records: dict[tuple[str, str], str] = {}
        """(user id, record) of connections that came (+) or went (-)."""
        self._work = asyncio.Event()
        self._renewed_at = self._recorded_at = 0.0
        self._heard_at = 0.0
        self._away = False
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._heard_at = self._renewed_at = self._recorded_at = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._run(), name="presence")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is left to write, that our connections have gone, is written if Redis answers."""
        self._closing = True
        self._work.set()
        if self._task is not None:
            # Not cancelled: the library swallows a cancellation now and then. Every command ends by itself soon.
            await asyncio.wait([self._task])

    # What connections do.

    def _moved(self, session_id: str, who: Present, *, came: bool) -> None:
        self._records[who.user_id, f"{who.id} {session_id}"] = "+" if came else "-"
        if session_id not in self._rooms:
            self._listening.pop(session_id, _nothing)()
        elif session_id not in self._listening:
            channel = presence_channel(session_id)
            self._listening[session_id] = self._bus.subscribe(channel, partial(self._hear, session_id))
        self._mark(session_id)

    def _hear(self, session_id: str, message: Message) -> None:
        """Another process has written something."""
        if (message.data or {}).get("process") != self._process:
            self._mark(session_id)

    def _mark(self, session_id: str) -> None:
        self._due[session_id] = None
        self._work.set()

    # What the task does.

    async def _run(self) -> None:
        while not self._closing or self._work.is_set():
            await self._wait()
            try:
                await self._exchange()
            except FAULTS as e:
                if not self._fail(e):
                    return
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                _log.exception("presence could not be shared, will try again")
                await asyncio.sleep(RETRY_SECONDS)

    async def _wait(self) -> None:
        """Return when there is something to say, or when it is time to say everything again."""
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, self._renewed_at + self._leases.renew - now)):
                await self._work.wait()
        except TimeoutError:
            self._renew()
        else:
            await asyncio.sleep(GATHER_SECONDS)
        self._work.clear()

    def _renew(self) -> None:
        now = self._renewed_at = asyncio.get_running_loop().time()
        self._due.update(dict.fromkeys(self._rooms))
        if now >= self._recorded_at + self._leases.record_renew:
            self._recorded_at = now
            for session_id, room in self._rooms.items():
                for who in room.here:
                    self._records[who.user_id, f"{who.id} {session_id}"] = "+"

    async def _exchange(self) -> None:
        """Write what is due and take what the others have written. Raises FAULTS; what is left stays due."""
        while self._due:
            batch = list(self._due)[:AT_ONCE]
            for session_id in batch:
                del self._due[session_id]
            await self._share_all(batch)
            self._answered()
        while self._records:
            some = list(self._records.items())[:AT_ONCE]
            for key, _ in some:
                del self._records[key]
            keys = [_key("ws:connections:", user_id) for (user_id, _), _ in some]
            said = [_bytes(part) for (_, record), sign in some for part in (sign, record)]
            await self._record(keys=keys, args=[self._leases.record, *said])
            self._answered()

    async def _share_all(self, sessions: Sequence[str]) -> None:
        args: list[Any] = [self._process, self._leases.member, self._leases.record]
        for session_id in sessions:
            room = self._rooms.get(session_id)
            users = room.users_here() if room is not None else set()
            args += [len(users), *(_bytes(user) for user in users)]
        found = await self._share(keys=[_key("ws:sessions:", one) for one in sessions], args=args)
        for session_id, (changed, others) in zip(sessions, found, strict=True):
            self._learn(session_id, names(others))
            if changed:
                await self._bus.publish(
                    presence_channel(session_id), Message("presence", data={"process": self._process})
                )

    def _learn(self, session_id: str, others: frozenset[str]) -> None:
        room = self._rooms.get(session_id)
        if room is not None and room.others != others:
            room.others = others
            self._change(room)

    def _answered(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if self._away:
            _log.info("Redis answers again: presence is shared")
            self._away = False

    def _fail(self, error: Exception) -> bool:
        """Redis is away: everything has to be said again. Whether there is any use in trying."""
        if not self._away:
            said = str(error) or type(error).__name__
            _log.warning("Redis is away, each process knows of its own connections only: %s", said)
        self._away = True
        if asyncio.get_running_loop().time() - self._heard_at > self._leases.member:
            for session_id in self._rooms:
                self._learn(session_id, frozenset())
        self._recorded_at = float("-inf")
        self._renew()
        self._work.set()
        return not self._closing


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")


def _key(prefix: str, name: str) -> bytes:
    return _bytes(prefix + name)


def _nothing() -> None: ...
