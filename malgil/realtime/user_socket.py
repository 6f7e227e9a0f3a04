"""The WebSocket endpoint `/ws/user`: what is new in any of the caller's sessions, without following one of them.

What it says are hints, the newest of each session, and may be lost; whoever connects is told the whole state anew.
"""

import asyncio
from dataclasses import dataclass

from malgil.access.model import Caller
from malgil.kit import json
from malgil.kit.clock import Clock
from malgil.kit.errors import Invalid, MalgilError, RateLimited
from malgil.kit.ids import CONNECTION, Ids
from malgil.realtime import replies
from malgil.realtime.asgi import Receive, Scope, Send
from malgil.realtime.bus import Bus, Message, user_channel
from malgil.realtime.connection import MOST_FAULTS, PONG, Room
from malgil.realtime.gate import UserGate
from malgil.realtime.hub import Hub
from malgil.realtime.inbound import read_frame
from malgil.realtime.line import line_of
from malgil.realtime.meter import Meter
from malgil.realtime.outlet import Outlet
from malgil.realtime.ward import Ward
from malgil.realtime.websocket import Identify, WebSocketEndpoint, plain

UNREAD = "unread"
"""Kind of the bus messages on a user's channel: `data` is the frame without its type, and the `tenant` it is meant
for, since users of two tenants may bear the same name."""


@dataclass(frozen=True, slots=True)
class Users:
    """Who knows what is new for a user, and the bus on which it is told."""

    gate: UserGate
    bus: Bus


class UserEndpoint(WebSocketEndpoint):
    """Lets a caller in as the endpoint of sessions does, with the same heartbeat, limits, drain and close codes."""

    def __init__(
        self, hub: Hub, room: Room, identify: Identify, ward: Ward, *, ids: Ids, clock: Clock, users: Users,
        meter: Meter | None = None,
    ) -> None:
        super().__init__(hub, room, identify, ward, ids=ids, clock=clock, meter=meter)
        self._users = users

    async def _let_in(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        tail = self._hub.still(caller.user_id)
        outlet = Outlet(
            send, line_of(scope), tail, after=tail.head, settings=self._ward.settings, meter=self._meter,
            expires_at=self._expiry(caller),
        )
        connection_id = self._ids.new(CONNECTION)
        outlet.say(json.dumps({
            "type": "connected", "connection_id": connection_id, "user_id": caller.user_id,
            "heartbeat_interval": plain(self._ward.settings.heartbeat),
        }))
        news = _News(outlet, caller)
        # First listen, then look: what changes in between is told once more, and not missed.
        unsubscribe = self._users.bus.subscribe(user_channel(caller.user_id), news.hear)
        try:
            self._ward.admit(outlet)
            news.begin([json.dumps(frame) for frame in await self._users.gate.unread(caller)])
            await self._listen(receive, outlet, caller, connection_id)
        finally:
            unsubscribe()
            self._ward.release(outlet)
            await outlet.ended()

    async def _listen(self, receive: Receive, outlet: Outlet, caller: Caller, connection_id: str) -> None:
        """Answer pings until the client is gone; there is nothing else to say here."""
        faults = 0
        while (message := await receive())["type"] != "websocket.disconnect":
            outlet.heard_at = asyncio.get_running_loop().time()
            try:
                kind = read_frame(dict(message))["type"]
                # Whatever it is, it is no message here.
                if (wait := await self._room.throttle.allow(caller, connection_id, "ping")) is not None:
                    raise RateLimited("Too many messages", retry_after=wait)
                if kind != "ping":
                    raise Invalid("Here one listens; speak in a session: /ws/{session_id}.")
                outlet.say(PONG)
                faults = 0
            except MalgilError as error:
                faults = faults + 1 if isinstance(error, Invalid) else 0
                outlet.say(replies.error_frame(error))
            if faults >= MOST_FAULTS:
                outlet.close(replies.TOO_MANY_FAULTS, "Too many malformed frames in a row.")
            await outlet.answered()
            await asyncio.sleep(0)


class _News:
    """What the bus tells of a user's sessions, held back until the state has been told that it changes."""

    __slots__ = ("_begun", "_early", "_outlet", "_tenant")

    def __init__(self, outlet: Outlet, caller: Caller) -> None:
        self._outlet = outlet
        self._tenant = caller.tenant
        self._begun = False
        self._early: dict[str, str] = {}

    def hear(self, message: Message) -> None:
        data = message.data or {}
        if message.kind != UNREAD or data.get("tenant") != self._tenant:
            return
        session_id = str(data["session_id"])
        frame = json.dumps({"type": UNREAD} | {key: value for key, value in data.items() if key != "tenant"})
        if self._begun:
            self._outlet.hint(session_id, frame)
        else:
            self._early[session_id] = frame

    def begin(self, state: list[str]) -> None:
        """Say the state, and from now on each change."""
        for text in state:
            self._outlet.say(text)
        self._begun = True
        for session_id, text in self._early.items():
            self._outlet.hint(session_id, text)
        self._early.clear()
