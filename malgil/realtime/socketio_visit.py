"""A Socket.IO connection as the WebSocket endpoint sees it: an ASGI WebSocket that there is none of.

So both have one set of promises, and one place where they are kept. What the endpoint sends becomes events, what it
closes with becomes a refusal or a last `error` event, and what clients emit becomes the text frames that it hears.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any, Protocol
from urllib.parse import urlencode

from malgil.kit import json
from malgil.kit.errors import Invalid, Unauthenticated
from malgil.kit.ids import Ids
from malgil.realtime.asgi import Scope
from malgil.realtime.line import EXTENSION, Line
from malgil.realtime.replies import EXPIRED, FULL, GOING_AWAY, INTERNAL, RESYNC, SILENT, SLOW
from malgil.realtime.socketio_packets import LEAVE, event, name_of

RETURN = frozenset({GOING_AWAY, SLOW, RESYNC, SILENT, EXPIRED, FULL, INTERNAL})
"""After these close codes a client may come back. Clients do so by themselves when the transport ends, and do not when
they are told to leave the namespace."""
_CALLED_BACK = ("message", "file")

Answer = dict[str, Any]


class Wire(Line, Protocol):
    """The client's Engine.IO connection."""

    async def say(self, packet: str) -> None:
        """Send a packet once there is room for it. Raises OSError when the client has gone."""
        ...

    async def end(self) -> None:
        """End the connection when what was said has been taken, or was given up."""
        ...


class _Heard:
    """An event on its way to the endpoint, and what will be its acknowledgement."""

    __slots__ = ("_asks", "_client_message_id", "answer", "text")

    def __init__(self, frame: Any, client_message_id: Any, *, asks: bool) -> None:
        self.text = json.dumps(frame)
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._client_message_id = client_message_id
        self._asks = asks

    def take(self, name: str, frame: str) -> bool:
        """Whether this direct answer belongs into the acknowledgement; then it is there."""
        if not self._asks or self.answer.done():
            return False
        reply = json.loads(frame)
        del reply["type"]
        if reply.get("client_message_id", self._client_message_id) != self._client_message_id:
            return False
        self.answer.set_result(reply if name == "ack" else {"error": reply})
        return True

    def done(self) -> None:
        if not self.answer.done():
            self.answer.set_result({})


class Visit:
    """`receive` and `send` are the endpoint's; the rest is for the Socket.IO server."""

    def __init__(self, wire: Wire, ids: Ids) -> None:
        self.refusal: asyncio.Future[tuple[int, str] | None] = asyncio.get_running_loop().create_future()
        """The close code and reason with which the client is refused; None when it is let in."""
        self._wire = wire
        self._ids = ids
        self._open = asyncio.Event()
        self._asked = False
        self._left = False
        self._heard: asyncio.Queue[_Heard | None] = asyncio.Queue()
        self._current: _Heard | None = None

    def open(self) -> None:
        """The client knows that it is in: now it can be told more."""
        self._open.set()

    def leave(self) -> None:
        """The client has gone."""
        if self._left:
            return
        self._left = True
        self._open.set()
        self._heard.put_nowait(None)

    async def hear(self, frame: Any, *, asks: bool) -> Answer:
        """Have an event handled after those before it, and return when it is; its acknowledgement."""
        if self._left:
            return {}
        client_message_id = None
        if asks and isinstance(frame, dict) and frame["type"] in _CALLED_BACK:
            # Only messages with an id of their own are acknowledged, so one that has none gets one.
            if frame.get("client_message_id") is None:
                frame["client_message_id"] = self._ids.new("sio")
            client_message_id = frame["client_message_id"]
        heard = _Heard(frame, client_message_id, asks=asks)
        self._heard.put_nowait(heard)
        return await heard.answer

    async def receive(self) -> MutableMapping[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "websocket.connect"}
        if self._current is not None:
            self._current.done()
        self._current = await self._heard.get()
        if self._current is None:
            self.finish()
            return {"type": "websocket.disconnect", "code": 1005}
        return {"type": "websocket.receive", "text": self._current.text}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        match message["type"]:
            case "websocket.send":
                await self._tell(message["text"])
            case "websocket.close":
                await self._close(message["code"], message["reason"])

    def finish(self) -> None:
        """Nothing is handled any more: nobody shall wait for an answer."""
        self._left = True
        if not self.refusal.done():
            self.refusal.set_result((INTERNAL, "Something went wrong; it has been logged."))
        for heard in (self._current, *(self._heard.get_nowait() for _ in range(self._heard.qsize()))):
            if heard is not None:
                heard.done()

    async def _tell(self, frame: str) -> None:
        if not self.refusal.done():
            self.refusal.set_result(None)
        await self._open.wait()
        name = name_of(frame)
        if name in ("ack", "error") and self._current is not None and self._current.take(name, frame):
            return
        await self._wire.say(event(frame))

    async def _close(self, code: int, reason: str) -> None:
        if not self.refusal.done():
            self.refusal.set_result((code, reason))
            return
        await self._open.wait()
        try:
            await self._wire.say(event(json.dumps({
                "type": "error", "code": "CLOSED", "message": reason, "close_code": code,
            })))
            if code not in RETURN:
                await self._wire.say(LEAVE)
        finally:
            await self._wire.end()


def virtual_scope(scope: Scope, auth: Any, line: Line) -> Scope:
    """The scope of a WebSocket that asks for what the client's `auth` asks for. Raises Unauthenticated, Invalid."""
    asked = auth if isinstance(auth, dict) else {}
    token, session_id, after = asked.get("token"), asked.get("session_id"), asked.get("after")
    if token is not None and not isinstance(token, str):
        raise Unauthenticated("auth.token is text.")
    if not isinstance(session_id, str):
        raise Invalid("Say in auth which session_id you want.")
    query = {"token": token} if token else {}
    if after is not None:
        query["after"] = after if isinstance(after, str) and after else "?"
    return {
        **scope, "type": "websocket", "path": "/socket.io/", "path_params": {"session_id": session_id},
        "query_string": urlencode(query).encode(), "extensions": {EXTENSION: {"line": line}},
    }
