"""The line below a connection: what ASGI does not tell of a socket, and what uvicorn does not do to it.

ASGI's send waits until a socket takes more, for ever if need be, and closing waits for what was sent before. So a
client that stops reading keeps its socket and its buffer as long as it likes. These two protocols put themselves into
the scope (`extensions`), so that a transport can ping, see progress and, at last, cut.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any, Protocol

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
    """uvicorn's HTTP protocol as a Line, for event streams."""

    heard_at = 0.0

    _head_bytes = -1
    """Bytes of the request head that is being received; -1 outside of one."""

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
        super().data_received(data)
        if self._head_bytes >= 0:
            # httptools gathers a head of any size.
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self.send_400_response("The request head is too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self.scope["extensions"] = {EXTENSION: {"line": self}}

    def on_headers_complete(self) -> None:
        self._head_bytes = -1
        super().on_headers_complete()

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
