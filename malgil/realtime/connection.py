"""The reading half of a WebSocket: one client's frames, one after the other."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from malgil.access.model import Caller
from malgil.kit import failpoints, json
from malgil.kit.errors import Forbidden, Invalid, MalgilError, RateLimited
from malgil.realtime import replies
from malgil.realtime.asgi import Receive
from malgil.realtime.errors import Resync
from malgil.realtime.gate import Entered, SessionGate
from malgil.realtime.inbound import read_frame
from malgil.realtime.outlet import Outlet
from malgil.realtime.presence import MemoryPresence, Presence
from malgil.realtime.settings import RealtimeSettings
from malgil.realtime.tail import Tail
from malgil.realtime.throttle import NoThrottle, Throttle
from malgil.realtime.typing import Typing

MOST_FAULTS = 10
"""Malformed frames in a row after which a client is not understood any more (close 1008, policy violation)."""
PONG = '{"type":"pong"}'
_PRESENCE = "\0"  # no user's id, which is what the other hints are kept by

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Room:
    """What the connections of a process share."""

    gate: SessionGate
    typing: Typing
    settings: RealtimeSettings
    presence: Presence = field(default_factory=MemoryPresence)
    throttle: Throttle = field(default_factory=NoThrottle)


@dataclass(frozen=True, slots=True)
class Way:
    """From `begin`, where the client stands, to the seq after which entries follow; `preface` is what fills between."""

    begin: int
    to: int
    preface: tuple[str, ...] = ()


class Connection:
    """Hears one client out until it leaves. Frames are handled in order, the next one after the last one's answers."""

    __slots__ = ("_caller", "_entered", "_faults", "_outlet", "_room", "_tail", "_types", "id")

    def __init__(
        self, room: Room, connection_id: str, caller: Caller, entered: Entered, tail: Tail, outlet: Outlet
    ) -> None:
        self.id = connection_id
        self._room = room
        self._caller = caller
        self._entered = entered
        self._tail = tail
        self._outlet = outlet
        self._faults = 0
        self._types = False

    @property
    def user_id(self) -> str:
        return self._caller.user_id

    async def run(self, receive: Receive) -> None:
        """Return when the connection is gone."""
        self._room.typing.join(self._entered.session_id, self.id, self._hear_typing)
        self._room.presence.join(self._entered.session_id, self)
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                self._outlet.heard_at = asyncio.get_running_loop().time()
                await self._handle(dict(message))
                await self._outlet.answered()
                # A packet full of small frames is handled without waiting for anything: let others have their turn.
                await asyncio.sleep(0)
        finally:
            self._room.presence.leave(self._entered.session_id, self)
            self._room.typing.leave(self._entered.session_id, self.id)
            if self._types:
                await self._say_typing(False)

    async def way(self, after: str) -> Way:
        """How to go on from `after`: by a replay or, when that is too long, by a snapshot. Raises Invalid, Resync."""
        begin = await self._tail.locate(after)
        most = self._room.settings.replay_entries
        entries, size = await self._tail.weight(begin, most + 1)
        if entries <= most and size <= self._room.settings.replay_bytes:
            return Way(begin, begin)
        shot = await self._room.gate.snapshot(self._caller, self._entered.session_id)
        if shot.cursor.epoch != self._tail.epoch:
            raise Resync("The history has changed.")
        frame: dict[str, Any] = {"type": "snapshot", "cursor": str(shot.cursor), "messages": shot.messages}
        if shot.partial is not None:
            frame["partial"] = shot.partial
        return Way(begin, shot.cursor.seq, (json.dumps(frame),))

    async def _handle(self, message: dict[str, Any]) -> None:
        frame: dict[str, Any] | None = None
        try:
            frame = read_frame(message)
            if not await self._may_say(frame["type"]):
                return
            for answer in await self._answer(frame):
                failpoints.reach("ws.before_ack")
                self._outlet.say(json.dumps(answer))
            self._faults = 0
        except Resync as error:
            self._outlet.fail(error)
        except MalgilError as error:
            self._refuse(error, frame)
        except Exception:
            _log.exception("a frame could not be handled")
            self._refuse(MalgilError("Something went wrong; it has been logged."), frame)

    async def _answer(self, frame: dict[str, Any]) -> list[dict[str, Any]]:
        match frame["type"]:
            case "ping":
                self._outlet.say(PONG)
                return []
            case "resume":
                way = await self.way(frame["after"])
                # It may lead past the entry that sends the caller away.
                await self._room.gate.enter(self._caller, self._entered.session_id)
                self._outlet.seek(way.to, *way.preface)
                return []
            case "typing":
                await self._say_typing(frame["is_typing"])
                return []
            case _:
                return await self._room.gate.receive(self._caller, self._entered.session_id, frame)

    async def _may_say(self, kind: str) -> bool:
        """False for what may be dropped without a word: only the newest typing counts, and it ends by itself."""
        wait = await self._room.throttle.allow(self._caller, self.id, kind)
        if wait is None or kind == "typing":
            return wait is None
        raise RateLimited("Too many messages", retry_after=wait)

    def _refuse(self, error: MalgilError, frame: dict[str, Any] | None) -> None:
        self._faults = self._faults + 1 if isinstance(error, Invalid) else 0
        self._outlet.say(replies.error_frame(error, frame))
        if self._faults >= MOST_FAULTS:
            self._outlet.close(replies.TOO_MANY_FAULTS, "Too many malformed frames in a row.")

    async def _say_typing(self, is_typing: bool) -> None:
        if self._entered.read_only:
            raise Forbidden("You may watch this session, not take part in it.")
        self._types = is_typing
        await self._room.typing.say(self._entered.session_id, self.id, self._caller.user_id, is_typing=is_typing)

    def hear_presence(self, frame: str) -> None:
        """Tell the client who is present."""
        self._outlet.hint(_PRESENCE, frame)

    def _hear_typing(self, user_id: str, frame: str) -> None:
        self._outlet.hint(user_id, frame)
