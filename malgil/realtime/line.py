"""The line below a connection: what ASGI does not tell of a socket, and what uvicorn does not do to it.

ASGI's send waits until a socket takes more, for ever if need be, and closing waits for what was sent before. So a
client that stops reading keeps its socket and its buffer as long as it likes. These two protocols put themselves into
the scope (`extensions`), so that a transport can ping, see progress and, at last, cut.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from malgil.realtime.settings import RealtimeSettings

EXTENSION = "malgil.line"
LINGER_SECONDS = 15.0
MOST_FRAGMENTS = 4096
MOST_HEAD_BYTES = 65_536
_NEVER: Final = float("inf")
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Line(Protocol):
    @property
    def heard_at(self) -> float:
        """When anything, be it a pong, last came from the client (the event loop's time)."""
        ...

    def write(self, frame: bytes) -> bool:
        """Send a WebSocket frame, or a piece of a response's body, as it stands if the socket takes it now.

        False if ASGI's send must be awaited.
        """
        ...

    def unsent(self) -> int:
        """How many bytes the operating system has not taken yet."""
        ...

    def ping(self) -> None:
        """Make the client say that it is there. Does nothing while the socket takes nothing."""
        ...

    def cut(self) -> None:
        """End the connection now, whatever is unsent."""
        ...


class BlindLine:
    """Under a server that is not ours: nothing is known and nothing can be done."""

    heard_at = 0.0

    def write(self, frame: bytes) -> bool:
        return False

    def unsent(self) -> int:
        return 0

    def ping(self) -> None: ...

    def cut(self) -> None: ...


_BLIND = BlindLine()


def line_of(scope: MutableMapping[str, Any]) -> Line:
    """The line below an ASGI connection."""
    line: Line = (scope.get("extensions") or {}).get(EXTENSION, {}).get("line", _BLIND)
    return line


class WebSocketLine(WebSocketsSansIOProtocol):
    """uvicorn's sansio protocol as a Line with four leaks closed."""

    heard_at = 0.0

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"] = {**(self.scope.get("extensions") or {}), EXTENSION: {"line": self}}

    def start_keepalive(self) -> None:
        super().start_keepalive()
        # The handshake is over. Its two messages would stay as long as the connection, 2 KiB each.
        del self.request, self.response

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        super().data_received(data)

    def handle_ping(self) -> None:
        # Pongs are written past the flow control: a client that pings and never reads would fill our memory.
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        # The size limit counts bytes, so a message may consist of any number of empty fragments.
        if len(self.frames) < MOST_FRAGMENTS:
            super().handle_cont(event)
        else:
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        super().on_task_complete(task)
        # Closing waits for the bytes that are still unsent, and a client may never take them.
        if self.transport.get_write_buffer_size():
            self.loop.call_later(LINGER_SECONDS, self.cut)

    def write(self, frame: bytes) -> bool:
        # A server's frames are not masked, and without extensions they are the same bytes for every client: encoded
        # once, a frame to a thousand clients costs a thousand writes and nothing else. What is asked here is what
        # uvicorn's send asks.
        if self.disconnected or not self.writable.is_set() or self.conn.state is not State.OPEN or self.conn.extensions:
            return False
        self.transport.write(frame)
        return True

    def unsent(self) -> int:
        return self.transport.get_write_buffer_size()

    def ping(self) -> None:
        if self.writable.is_set() and not self.close_sent and not self.transport.is_closing():
            self.conn.send_ping(b"")
            self.transport.write(b"".join(self.conn.data_to_send()))

    def cut(self) -> None:
        self.transport.abort()


class HttpLine(HttpToolsProtocol):
    """uvicorn's HTTP protocol as a Line, for event streams; and it does not wait for ever for a request to be whole.

    One timer looks after that, and runs only while something is outstanding: a request that comes in one piece never
    starts it.
    """

    head_seconds = 15.0
    """How long a request head may take, from the connection or its first byte."""
    body_seconds = 30.0
    """How long nothing of a body may come; how long the rest of one may take that nobody needs any more."""

    heard_at = 0.0

    _head_bytes = -1
    """Bytes of the request head that is being received; -1 outside of one."""
    _head_at = 0.0
    _asked = False
    _body_open = False
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self.heard_at = self._head_at = self.loop.time()
        self._watch = self.loop.call_later(self.head_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._unwatch()
        self._body_open = False  # what comes now is the socket's
        super().handle_websocket_upgrade()

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _look(self) -> None:
        """Cut a client that takes too long over its request; otherwise look again when that may be so."""
        self._watch = None
        now = self.loop.time()
        due = self._due(now)
        if due > now:
            if due < _NEVER:
                self._watch = self.loop.call_at(due, self._look)
        elif not self.transport.is_closing():
            if self._head_bytes > 0:
                self.transport.write(_TOO_SLOW)
                self.transport.close()
            elif self._body_open or not self._asked:
                self.transport.abort()

    def _due(self, now: float) -> float:
        """When what is outstanding will have taken too long."""
        if self._head_bytes >= 0 or not self._asked:
            return self._head_at + self.head_seconds
        if not self._body_open:
            return _NEVER
        if self.flow.read_paused and not self.cycle.response_complete:
            return now + self.body_seconds  # it is we who do not read
        return self.heard_at + self.body_seconds

    def write(self, frame: bytes) -> bool:
        # One chunk of the response under way, past the `send`s that the layers have wrapped around uvicorn's: they look
        # at how a response starts and ends, never at what is in between. While a request waits behind this one on the
        # connection, uvicorn's `cycle` is that one already. What else is asked here is what uvicorn's send asks.
        cycle = self.cycle
        if self.pipeline or cycle.disconnected or cycle.response_complete or not cycle.chunked_encoding:
            return False
        if self.flow.write_paused:
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(frame), frame))
        return True

    def data_received(self, data: bytes) -> None:
        if not (self._body_open and self.cycle.response_complete):
            self.heard_at = self.loop.time()
        super().data_received(data)
        if self._watch is None and (self._head_bytes >= 0 or self._body_open) and not self.transport.is_closing():
            self._look()
        if self._head_bytes >= 0:
            # httptools gathers a head of any size.
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self.send_400_response("The request head is too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._head_at = self.loop.time()
        self.scope["extensions"] = {EXTENSION: {"line": self}}

    def on_headers_complete(self) -> None:
        self._head_bytes = -1
        self._asked = self._body_open = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._body_open = False
        super().on_message_complete()

    def unsent(self) -> int:
        return self.transport.get_write_buffer_size()

    def ping(self) -> None: ...

    def cut(self) -> None:
        self.transport.abort()


def server_options(settings: RealtimeSettings) -> dict[str, Any]:
    """What uvicorn's Config must be given for the promises of this room to hold."""
    return {
        "http": HttpLine,
        "ws": WebSocketLine,
        "ws_max_size": settings.message_size_limit,
        "ws_per_message_deflate": False,
        # Ours instead: one timer for all connections, and a close code that clients know.
        "ws_ping_interval": None,
        "ws_ping_timeout": None,
    }
