"""The Socket.IO server at `/socket.io`: python-socketio carries the packets, the WebSocket endpoint does the rest.

Loading the library takes the better part of a second, so app does it when the first such client comes.
"""

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qs

import socketio
from engineio.payload import Payload
from socketio.exceptions import ConnectionRefusedError as Refused

from malgil.kit.errors import Invalid, MalgilError, TooLarge, Unavailable
from malgil.kit.ids import Ids
from malgil.realtime import replies
from malgil.realtime.asgi import Receive, Scope, Send
from malgil.realtime.line import line_of
from malgil.realtime.settings import RealtimeSettings
from malgil.realtime.socketio_packets import HEARD, Packet, admitted
from malgil.realtime.socketio_visit import Visit, virtual_scope
from malgil.realtime.socketio_wire import EngineWire, Outbox
from malgil.realtime.websocket import WebSocketEndpoint

PATH = "/socket.io/"
_WIRE = "malgil.wire"
_SEPARATOR = "\x1e"
_UPGRADE = ["2probe", "5"]
"""What a client says first on a WebSocket to which it moves from polling."""
MOST_PACKETS = 256
"""In one body of the polling transport."""
Payload.max_decode_packets = MOST_PACKETS

# It warns of what clients do wrong, which is theirs to know.
_library_log = logging.getLogger(f"{__name__}.library")
_library_log.setLevel(logging.ERROR)


class SocketIOEndpoint:
    """An ASGI app for HTTP and WebSocket scopes. Each client in a session is a client of `sockets`."""

    def __init__(self, sockets: WebSocketEndpoint, settings: RealtimeSettings, ids: Ids) -> None:
        self._sockets = sockets
        self._settings = settings
        self._ids = ids
        self._wires: dict[str, EngineWire] = {}
        self._visits: dict[str, Visit] = {}
        self._visiting: set[asyncio.Task[None]] = set()
        self._server = server = socketio.AsyncServer(
            async_mode="asgi", client_manager=socketio.AsyncManager(), serializer=Packet, async_handlers=False,
            logger=_library_log, engineio_logger=_library_log, cors_allowed_origins=[], http_compression=False,
            ping_interval=settings.heartbeat, ping_timeout=settings.heartbeat, monitor_clients=False,
            max_http_buffer_size=settings.message_size_limit,
        )
        server.on("connect", self._enter)
        server.on(HEARD, self._hear)
        server.on("disconnect", self._leave)
        server.eio.create_queue = Outbox
        self._library = dict(server.eio.handlers)
        server.eio.on("connect", self._arrived)
        server.eio.on("disconnect", self._gone)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        wire = self._wires.get(query.get("sid", [""])[0])
        if scope["type"] == "websocket":
            await self._converse(scope, receive, send, wire)
        else:
            if "j" in query:
                raise Invalid("JSONP is not spoken here.")
            await self._request(scope, receive, send, wire)

    # The two transports.

    async def _converse(self, scope: Scope, receive: Receive, send: Send, wire: EngineWire | None) -> None:
        line = line_of(scope)
        script = [] if wire is None else list(_UPGRADE)
        if wire is None:
            scope[_WIRE] = wire = EngineWire(self._settings, line)

        async def heard() -> MutableMapping[str, Any]:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            packet = message.get("text")
            if script:
                if packet != script.pop(0):
                    return {"type": "websocket.disconnect", "code": 1005}
                if not script:
                    wire.upgraded(line)
                return message
            # Who does not read is not listened to.
            await wire.outbox.room()
            return {"type": "websocket.receive", "text": admitted(packet)}

        if len(self._wires) >= 2 * self._settings.max_connections:
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": replies.FULL, "reason": "This server is full."})
            return
        try:
            await self._server.handle_request(scope, heard, send)
        finally:
            await wire.hung_up(line)

    async def _request(self, scope: Scope, receive: Receive, send: Send, wire: EngineWire | None) -> None:
        if wire is None:
            if len(self._wires) >= 2 * self._settings.max_connections:
                raise Unavailable("This server is full.")
            scope[_WIRE] = EngineWire(self._settings, None)
            await self._server.handle_request(scope, receive, send)
            return
        wire.asked()
        if scope["method"] == "POST":
            await wire.outbox.room()
            body = await _packets(receive, self._settings.message_size_limit)
            await self._server.handle_request(_announcing(scope, len(body)), _said(body), send)
            return
        if wire.polls:
            raise Invalid("Another request is waiting for this client's packets.")
        wire.polls += 1
        try:
            await self._server.handle_request(scope, receive, send)
        finally:
            wire.polls -= 1

    # What the library tells of the connections below …

    async def _arrived(self, engine_id: str, environ: dict[str, Any]) -> Any:
        wire: EngineWire = environ["asgi.scope"][_WIRE]
        wire.begin(self._server.eio.sockets[engine_id])
        self._wires[engine_id] = wire
        return await self._library["connect"](engine_id, environ)

    async def _gone(self, engine_id: str, reason: str) -> None:
        await self._library["disconnect"](engine_id, reason)
        self._server.eio.sockets.pop(engine_id, None)
        self._wires.pop(engine_id).left()

    # … and of the clients on them.

    async def _enter(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        scope = environ["asgi.scope"]
        wire: EngineWire = scope[_WIRE]
        wire.stay()
        visit = Visit(wire, self._ids)
        try:
            asked = virtual_scope(scope, auth, wire)
        except MalgilError as error:
            refusal: tuple[int, str] | None = replies.close_code(error), error.detail
        else:
            self._visits[sid] = visit
            task = asyncio.create_task(self._visit(asked, visit))
            self._visiting.add(task)
            task.add_done_callback(self._visiting.discard)
            refusal = await visit.refusal
        if refusal is not None:
            self._visits.pop(sid, None)
            wire.linger(self._settings.close_grace)
            code, reason = refusal
            raise Refused(reason, {"code": code, "message": reason})
        # The library says that the client is in as soon as this returns, without waiting for anything.
        asyncio.get_running_loop().call_soon(visit.open)

    async def _visit(self, scope: Scope, visit: Visit) -> None:
        try:
            await self._sockets(scope, visit.receive, visit.send)
        finally:
            visit.finish()

    async def _hear(self, sid: str, frame: Any, asks: bool) -> dict[str, Any]:
        visit = self._visits.get(sid)
        return {} if visit is None else await visit.hear(frame, asks=asks)

    async def _leave(self, sid: str, _reason: str) -> None:
        visit = self._visits.pop(sid, None)
        if visit is not None:
            visit.leave()
        wire = self._wires.get(self._server.manager.eio_sid_from_sid(sid, "/"))
        if wire is not None:
            wire.linger(self._settings.close_grace)


async def _packets(receive: Receive, most: int) -> bytes:
    """The packets in the body of a request. Raises TooLarge, and Invalid for what is not text."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise TooLarge(f"The body may have at most {most} bytes.")
    try:
        packets = body.decode().split(_SEPARATOR)
    except UnicodeDecodeError as error:
        raise Invalid("The body is not UTF-8.") from error
    if len(packets) > MOST_PACKETS:
        raise Invalid(f"A body may have at most {MOST_PACKETS} packets.")
    return _SEPARATOR.join(map(admitted, packets)).encode()


def _announcing(scope: Scope, length: int) -> Scope:
    kept = [header for header in scope["headers"] if header[0] != b"content-length"]
    return {**scope, "headers": [*kept, (b"content-length", b"%d" % length)]}


def _said(body: bytes) -> Receive:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    return receive
