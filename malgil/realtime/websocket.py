"""The WebSocket endpoint `/ws/{session_id}`: lets a client in or tells it why not, then lets it speak and listen."""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from malgil.access.model import Caller
from malgil.kit import json
from malgil.kit.clock import Clock
from malgil.kit.errors import Invalid, MalgilError
from malgil.kit.ids import CONNECTION, Ids
from malgil.kit.text import storable
from malgil.log.model import Cursor
from malgil.realtime import replies
from malgil.realtime.asgi import Receive, Scope, Send
from malgil.realtime.connection import Connection, Room
from malgil.realtime.errors import Resync
from malgil.realtime.gate import Entered
from malgil.realtime.hub import Hub
from malgil.realtime.line import line_of
from malgil.realtime.meter import Meter, SilentMeter
from malgil.realtime.outlet import Outlet
from malgil.realtime.tail import Tail
from malgil.realtime.ward import Ward, expiry

Identify = Callable[[Scope], Awaitable[Caller]]
"""From an ASGI scope to the caller behind it; raises Unauthenticated."""

MOST_ID = 128

_log = logging.getLogger(__name__)


class WebSocketEndpoint:
    """An ASGI app for WebSocket scopes whose `path_params` name the `session_id`."""

    def __init__(
        self, hub: Hub, room: Room, identify: Identify, ward: Ward, *, ids: Ids, clock: Clock,
        meter: Meter | None = None,
    ) -> None:
        self._hub = hub
        self._gate = room.gate
        self._identify = identify
        self._ward = ward
        self._room = room
        self._ids = ids
        self._clock = clock
        self._meter = meter or SilentMeter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept first: a browser sees the code of a close, never that of a refused handshake."""
        self._ward.open_socket()
        self._meter.opened("websocket")
        try:
            await receive()
            await send({"type": "websocket.accept"})
            await self._serve(scope, receive, send)
        except OSError:
            _log.debug("a client left before it was let in")
        finally:
            self._ward.close_socket()
            self._meter.closed("websocket")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._ward.draining:
            await _refuse(send, replies.GOING_AWAY, "The server is going away.")
            return
        if self._ward.full:
            await _refuse(send, replies.FULL, "This server is full.")
            return
        try:
            caller = await self._identify(scope)
            with self._ward.seat(caller):
                await self._let_in(scope, receive, send, caller)
        except MalgilError as error:
            await _refuse(send, replies.close_code(error), error.detail)
        except Exception:
            _log.exception("a client could not be served")
            await _refuse(send, replies.INTERNAL, "Something went wrong; it has been logged.")

    async def _let_in(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        entered = await self._gate.enter(caller, _session_id(scope))
        async with self._hub.watch(entered.session_id) as tail:
            await self._converse(scope, receive, send, caller, entered, tail)

    async def _converse(
        self, scope: Scope, receive: Receive, send: Send, caller: Caller, entered: Entered, tail: Tail
    ) -> None:
        # From where the caller was seen to take part: an entry right after it may say that they do not any more.
        now = tail.head if entered.head is None else min(tail.head, entered.head)
        outlet = Outlet(
            send, line_of(scope), tail, after=now, settings=self._ward.settings, meter=self._meter,
            expires_at=self._expiry(caller), entered=entered,
        )
        connection = Connection(self._room, self._ids.new(CONNECTION), caller, entered, tail, outlet)
        try:
            await self._welcome(_query(scope, "after"), connection, outlet, Cursor(tail.epoch, now), entered)
            self._ward.admit(outlet)
            tail.join(outlet)
            outlet.wake()
            await connection.run(receive)
        finally:
            tail.leave(outlet)
            self._ward.release(outlet)
            await outlet.ended()

    async def _welcome(
        self, after: str | None, connection: Connection, outlet: Outlet, now: Cursor, entered: Entered
    ) -> None:
        """Say `connected`, with where the client begins, and send it on its way. Raises Resync for a stale cursor."""

        def connected(seq: int) -> str:
            return json.dumps({
                "type": "connected", "connection_id": connection.id, "session_id": entered.session_id,
                "cursor": str(Cursor(now.epoch, seq)), "heartbeat_interval": plain(self._ward.settings.heartbeat),
            })

        if after is None:
            outlet.say(connected(now.seq))
            return
        try:
            way = await connection.way(after)
        except Invalid as error:
            # The client hears that its cursor is none, and from `connected` that it is live from now.
            outlet.say(connected(now.seq))
            outlet.say(replies.error_frame(error))
        else:
            if entered.head is not None and way.begin > entered.head:
                raise Resync("The cursor lay beyond the end of the log.")
            outlet.seek(way.to, connected(way.begin), *way.preface)

    def _expiry(self, caller: Caller) -> float:
        return expiry(caller, self._clock.now())


async def _refuse(send: Send, code: int, reason: str) -> None:
    try:
        await send({"type": "websocket.close", "code": code, "reason": replies.close_reason(reason)})
    except (OSError, RuntimeError):
        _log.debug("a client had gone before it was told %s", code)


def plain(seconds: float) -> float:
    """Whole seconds without the `.0`, as clients of other languages expect them."""
    return int(seconds) if seconds == int(seconds) else seconds


def _query(scope: Scope, name: str) -> str | None:
    found = parse_qs(scope["query_string"].decode("latin-1")).get(name)
    return found[0] if found else None


def _session_id(scope: Scope) -> str:
    """The session id in the path. Raises Invalid for what cannot be one."""
    session_id: str = scope["path_params"]["session_id"]
    try:
        storable(session_id)
    except ValueError as error:
        raise Invalid("That is not a session id.") from error
    if not 0 < len(session_id) <= MOST_ID:
        raise Invalid("That is not a session id.")
    return session_id
