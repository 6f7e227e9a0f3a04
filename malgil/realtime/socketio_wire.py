"""One client's Engine.IO connection, held to our limits: bounded, looked after, cut when it must be."""

import asyncio
from typing import Any

from malgil.realtime.line import BlindLine, Line
from malgil.realtime.settings import KIB, RealtimeSettings

MOST_QUEUED = 64 * KIB
"""What may wait in the library for the client to take it; who has more to say waits itself."""
ENTER_SECONDS = 10.0
"""How long a connection may last on which nobody says which session they want."""


class Outbox(asyncio.Queue[Any]):
    """The library's queue of what a client is sent, which knows its size.

    It takes everything, because the library's own packets are few and must not wait; log entries ask for `room` first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        self._abandoned = False
        self._moved = asyncio.Event()

    async def room(self) -> None:
        """Return when more may be added."""
        await self._shrunk(MOST_QUEUED)

    async def taken(self) -> None:
        """Return when the transport has everything."""
        await self._shrunk(1)

    def abandon(self) -> None:
        """Nobody will take what is here: nobody shall wait for it."""
        self._abandoned = True
        self._moved.set()

    async def _shrunk(self, below: int) -> None:
        while self.size >= below and not self._abandoned:
            self._moved.clear()
            await self._moved.wait()

    def _put(self, item: Any) -> None:
        super()._put(item)
        self.size += _size(item)

    def _get(self) -> Any:
        item = super()._get()
        self.size -= _size(item)
        self._moved.set()
        return item


class EngineWire:
    """What `Visit` speaks through, and the line of its Outlet. `begin` when the library has let the client in."""

    def __init__(self, settings: RealtimeSettings, line: Line | None) -> None:
        self.line: Line = line or BlindLine()
        self.polls = 0
        """Requests of the polling transport that wait for something to say."""
        self._settings = settings
        self._polling = line is None
        self._asked_at = self._now()
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._gone = False
        self._socket: Any = None

    def begin(self, socket: Any) -> None:
        """`socket` is the library's, with an Outbox of ours as its queue."""
        self._socket = socket
        self.linger(ENTER_SECONDS)

    @property
    def outbox(self) -> Outbox:
        outbox: Outbox = self._socket.queue
        return outbox

    # What the server tells it.

    def linger(self, seconds: float) -> None:
        """Nobody is in a session on it: end in so many seconds."""
        self._deadline = self._now() + seconds
        self._look()

    def stay(self) -> None:
        """Somebody is in a session on it: no deadline."""
        self._deadline = None

    def asked(self) -> None:
        """A request of the polling transport has come."""
        self._asked_at = self._now()

    def upgraded(self, line: Line) -> None:
        self.line, self._polling = line, False

    def left(self) -> None:
        """The library has let go of it: whoever waits for something to send or for room is released."""
        self._gone = True
        if self._timer is not None:
            self._timer.cancel()
        self.outbox.abandon()
        self.outbox.put_nowait(None)
        # A server closes a WebSocket and then waits for the client to close it too.
        asyncio.get_running_loop().call_later(self._settings.close_grace, self.line.cut)

    async def hung_up(self, line: Line) -> None:
        """A WebSocket has ended: with it the connection, unless that was an attempt to move there from polling."""
        if self._socket is None:
            return
        if line is self.line:
            await self.close()
        else:
            self._socket.upgrading = False

    async def close(self) -> None:
        """Make the library let go of it."""
        await self._socket.close(wait=False, abort=True)

    # What a Visit asks.

    async def say(self, packet: str) -> None:
        await self.outbox.room()
        if self._gone:
            raise ConnectionResetError("The client has gone.")
        await self._socket.server.send(self._socket.sid, packet)

    async def end(self) -> None:
        await self.outbox.taken()
        await self.close()

    # What an Outlet asks.

    @property
    def heard_at(self) -> float:
        return max(self._asked_at, self.line.heard_at)

    def write(self, frame: bytes) -> bool:
        return False

    def unsent(self) -> int:
        return self.outbox.size + self.line.unsent()

    def ping(self) -> None: ...

    def cut(self) -> None:
        self.outbox.abandon()
        self.line.cut()

    # How it is looked after.

    def _look(self) -> None:
        """A timer ends what nobody uses; the library looks after WebSockets that somebody does."""
        if self._timer is not None:
            self._timer.cancel()
        now, due = self._now(), self._due()
        if due is not None and now >= due and self._ending is None:
            self.cut()
            self._ending = asyncio.create_task(self.close())
        elif due is not None:
            self._timer = asyncio.get_running_loop().call_later(due - now, self._look)

    def _due(self) -> float | None:
        silent = self._asked_at + 2 * self._settings.heartbeat if self._polling else None
        return min((at for at in (silent, self._deadline) if at is not None), default=None)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _size(item: Any) -> int:
    if item is None:
        return 0
    return len(item.data) if isinstance(item.data, str) else 1
