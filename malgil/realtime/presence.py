"""Who is present: never in the log, told in full to whoever comes and to all when it changes."""

import asyncio
from collections.abc import Iterable
from contextvars import Context
from typing import Final, Protocol

from malgil.kit import json

MOST_NAMED: Final = 500
"""Users named in a frame; of more, `total` says how many there are."""
GATHER_SECONDS: Final = 0.05
"""Who comes and goes within this time is told at once: a page that is loaded again changes nothing."""
PACE_SECONDS: Final = 0.001
"""A session with n connections hears of changes at most every n times this, so that a large one costs no more."""
SLICE: Final = 128
"""Connections told before the event loop gets a turn."""

# Frames are sent outside of the context of whoever came or went.
_NOBODY = Context()
_NONE: frozenset[str] = frozenset()


class Present(Protocol):
    """A connection, which makes its user present."""

    @property
    def id(self) -> str: ...

    @property
    def user_id(self) -> str: ...

    def hear_presence(self, frame: str) -> None:
        """The newest `presence` frame, which makes all before it void. Must not block or raise."""
        ...


class Presence(Protocol):
    """Soon after a connection has joined it hears all users of its session, on whatever replica, and then every change.

    A user with several connections counts once, and leaves with the last of them. A process that dies is noticed in
    bounded time. Never waits and never raises: what cannot be told now is put right later.
    """

    def join(self, session_id: str, who: Present) -> None: ...

    def leave(self, session_id: str, who: Present) -> None:
        """Twice does no harm."""
        ...


def presence_frame(users: tuple[str, ...]) -> str:
    """The frame of these users, in their order."""
    frame: dict[str, object] = {"type": "presence", "users": users[:MOST_NAMED]}
    if len(users) > MOST_NAMED:
        frame["total"] = len(users)
    return json.dumps(frame)


class Room:
    """A session as far as presence goes: who is here, who elsewhere, and what was told last."""

    __slots__ = ("due", "fresh", "here", "others", "told")

    def __init__(self) -> None:
        # A tuple, replaced and never changed: a dict would cost each of ten thousand quiet sessions 200 bytes.
        self.here: tuple[Present, ...] = ()
        self.others: frozenset[str] = _NONE
        self.fresh: list[Present] | None = None
        """Those who have not heard anything yet."""
        self.told: tuple[str, ...] = ()
        self.due = 0.0
        """When all may be told again."""

    def users_here(self) -> set[str]:
        return {who.user_id for who in self.here}


class MemoryPresence:
    """Presence in a single process. One timer for all sessions, which runs while there is something to tell."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self._changed: dict[Room, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def join(self, session_id: str, who: Present) -> None:
        room = self._rooms.get(session_id)
        if room is None:
            room = self._rooms[session_id] = Room()
        room.here = (*room.here, who)
        if room.fresh is None:
            room.fresh = []
        room.fresh.append(who)
        self._change(room)
        self._moved(session_id, who, came=True)

    def leave(self, session_id: str, who: Present) -> None:
        room = self._rooms.get(session_id)
        if room is None or who not in room.here:
            return
        at = room.here.index(who)
        room.here = room.here[:at] + room.here[at + 1 :]
        if room.here:
            self._change(room)
        else:
            del self._rooms[session_id]
            self._changed.pop(room, None)
        self._moved(session_id, who, came=False)

    def _moved(self, session_id: str, who: Present, *, came: bool) -> None:
        """A connection has come or gone. For a presence that tells other processes too."""

    def _change(self, room: Room) -> None:
        self._changed[room] = None
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(GATHER_SECONDS, self._tell_changes, context=_NOBODY)

    def _tell_changes(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        changed, self._changed = self._changed, {}
        for room in changed:
            if not self._tell(room, now):
                self._change(room)

    def _tell(self, room: Room, now: float) -> bool:
        """Whether everybody has been told who is present."""
        users = tuple(sorted(room.users_here() | room.others))
        fresh, room.fresh = room.fresh, None
        if users != room.told and now >= room.due:
            room.told = users
            room.due = now + PACE_SECONDS * len(room.here)
            self._say(room.here, presence_frame(users), 0)
        elif fresh:
            here = set(room.here)
            self._say(tuple(who for who in fresh if who in here), presence_frame(users), 0)
        return users == room.told

    def _say(self, hearers: tuple[Present, ...], frame: str, start: int) -> None:
        for who in hearers[start : start + SLICE]:
            who.hear_presence(frame)
        if start + SLICE < len(hearers):
            asyncio.get_running_loop().call_soon(self._say, hearers, frame, start + SLICE, context=_NOBODY)


def names(users: Iterable[bytes]) -> frozenset[str]:
    """User ids as another process wrote them."""
    return frozenset(user.decode(errors="replace") for user in users)
