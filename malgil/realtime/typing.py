"""Who is typing: never in the log, told over the bus, forgotten by itself."""

import asyncio
from collections.abc import Callable
from functools import lru_cache

from malgil.kit import json
from malgil.realtime.bus import Bus, Message, Unsubscribe, typing_channel
from malgil.realtime.settings import RealtimeSettings

Hear = Callable[[str, str], None]
"""Called with (user id, frame) when somebody else in the session begins or stops typing."""


@lru_cache(maxsize=1024)
def typing_frame(user_id: str, is_typing: bool) -> str:
    return json.dumps({"type": "typing", "user_id": user_id, "is_typing": is_typing})


class _Room:
    """A session as far as typing goes: who listens here, and until when whom we believe to be typing."""

    __slots__ = ("hearers", "typing", "unsubscribe")

    def __init__(self) -> None:
        self.hearers: dict[str, Hear] = {}
        self.typing: dict[str, asyncio.TimerHandle] = {}
        self.unsubscribe: Unsubscribe = _nothing


class Typing:
    """Tells the connections of a session who types on the others, on whatever replica.

    Someone who said that they type and then nothing for `typing_seconds` is said to have stopped, so a server that
    dies leaves nobody typing for ever.
    """

    def __init__(self, bus: Bus, settings: RealtimeSettings) -> None:
        self._bus = bus
        self._seconds = settings.typing_seconds
        self._rooms: dict[str, _Room] = {}

    async def say(self, session_id: str, connection_id: str, user_id: str, *, is_typing: bool) -> None:
        """Tell every connection of the session but the one it comes from."""
        data = {"user_id": user_id, "is_typing": is_typing, "connection_id": connection_id}
        await self._bus.publish(typing_channel(session_id), Message("typing", data=data))

    def join(self, session_id: str, connection_id: str, hear: Hear) -> None:
        room = self._rooms.get(session_id)
        if room is None:
            room = self._rooms[session_id] = _Room()
            room.unsubscribe = self._bus.subscribe(typing_channel(session_id), lambda said: self._heard(room, said))
        room.hearers[connection_id] = hear

    def leave(self, session_id: str, connection_id: str) -> None:
        room = self._rooms.get(session_id)
        if room is None:
            return
        room.hearers.pop(connection_id, None)
        if not room.hearers:
            del self._rooms[session_id]
            room.unsubscribe()
            for timer in room.typing.values():
                timer.cancel()

    def _heard(self, room: _Room, message: Message) -> None:
        said = message.data or {}
        user_id, origin = str(said["user_id"]), str(said["connection_id"])
        if timer := room.typing.pop(user_id, None):
            timer.cancel()
        if said["is_typing"]:
            loop = asyncio.get_running_loop()
            room.typing[user_id] = loop.call_later(self._seconds, self._expire, room, user_id, origin)
        self._tell(room, user_id, origin, is_typing=bool(said["is_typing"]))

    def _expire(self, room: _Room, user_id: str, origin: str) -> None:
        room.typing.pop(user_id, None)
        self._tell(room, user_id, origin, is_typing=False)

    def _tell(self, room: _Room, user_id: str, origin: str, *, is_typing: bool) -> None:
        frame = typing_frame(user_id, is_typing)
        for connection_id, hear in tuple(room.hearers.items()):
            if connection_id != origin:
                hear(user_id, frame)


def _nothing() -> None: ...
