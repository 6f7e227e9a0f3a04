"""The one layer in front of everything: trace id, metrics, cross-site guard, limits, body limit, problems.

One and not six, because each costs a coroutine and a wrapped `send` a request: a stack of them took as much as the
server below. What each part decides stands in its own module; here is only the order.
"""

from asyncio import CancelledError
from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from malgil.access.origin import OriginRules, guard
from malgil.app.body_limit import bounded, drop_rest
from malgil.app.limits import Turnstile
from malgil.app.problems import answer_to, report
from malgil.kit.clock import Clock
from malgil.kit.errors import Forbidden, Unavailable
from malgil.observe.requests import BROKEN_OFF, RequestMeter
from malgil.observe.trace import begin_trace, end_trace, incoming_trace_id, new_trace_id

_FORBIDDEN_CLOSE = 4403
_ANSWER = "malgil.answer"
_STOPPING = "The server is stopping and did not get this done; send it again."
_BACK_IN = 5.0

Headers = list[tuple[bytes, bytes]]


def _as_it_is(app: ASGIApp) -> ASGIApp:
    return app


class EdgeLayer:
    """Pure ASGI. What goes wrong behind it is answered with a problem; a refused WebSocket is accepted and closed.

    `around` is put around the application and around refusals alike: CORS, without which a page cannot read them.
    """

    def __init__(
        self, app: ASGIApp, clock: Clock, meter: RequestMeter, rules: OriginRules, *,
        turnstile: Turnstile | None = None, body_limit: int = 1 << 20,
        around: Callable[[ASGIApp], ASGIApp] = _as_it_is,
    ) -> None:
        self._app = around(app)
        self._refusal = around(_refuse)
        self._clock = clock
        self._meter = meter
        self._rules = rules
        self._turnstile = turnstile
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._app(scope, receive, send)
            return
        trace_id = incoming_trace_id(scope["headers"]) or new_trace_id(self._clock)
        before = begin_trace(trace_id)
        try:
            if kind == "http":
                await self._answer(scope, receive, _Exchange(send, self._clock, trace_id))
            else:
                # A socket sends thousands of frames and none of them carries headers: its `send` stays bare.
                await self._converse(scope, receive, send)
        finally:
            end_trace(before)

    async def _answer(self, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        self._meter.enter()
        try:
            try:
                guard(scope, self._rules)
                if self._turnstile is not None:
                    await self._turnstile.admit(scope, exchange.headers)
                await self._app(scope, bounded(scope, receive, self._body_limit), exchange.send)
            except ClientDisconnect:
                return
            except CancelledError:
                # The server stops and has waited long enough; nothing else ends the task of a request.
                if not exchange.started:
                    await self._mend(scope, receive, exchange, Unavailable(_STOPPING, retry_after=_BACK_IN))
            except Exception as error:
                await self._mend(scope, receive, exchange, error)
        finally:
            self._meter.leave(scope, exchange.status, exchange.answered - exchange.begun)

    async def _mend(self, scope: Scope, receive: Receive, exchange: "_Exchange", error: Exception) -> None:
        """Answer what no handler answered; log what nobody foresaw, of which no detail ever leaves."""
        answer = scope[_ANSWER] = answer_to(error)
        report(error, answer.status_code, f"{scope['method']} {scope['path']}")
        if not exchange.started:
            if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                exchange.headers.append((b"connection", b"close"))
                await drop_rest(receive)
            await self._refusal(scope, receive, exchange.send)
        elif not exchange.finished:
            # The status has left already: breaking the connection is all that can still tell the client.
            raise ConnectionAbortedError("the response broke off") from error

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            guard(scope, self._rules)
        except Forbidden as error:
            await receive()
            # Accepted first, so that a browser's script sees the code (realtime.md).
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": _FORBIDDEN_CLOSE, "reason": error.detail[:120]})
            return
        await self._app(scope, receive, send)


class _Exchange:
    """One request's answer as it goes out: its headers, its status, whether it has begun and ended, and when."""

    __slots__ = ("_clock", "_send", "answered", "begun", "finished", "headers", "started", "status")

    def __init__(self, send: Send, clock: Clock, trace_id: str) -> None:
        self._send = send
        self._clock = clock
        self.headers: Headers = [(b"x-trace-id", trace_id.encode())]
        self.status = BROKEN_OFF  # until there is one
        self.begun = self.answered = clock.monotonic()
        self.started = self.finished = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            self.answered = self._clock.monotonic()
            message["headers"] = [*message.get("headers", ()), *self.headers]
        elif not message.get("more_body", False):
            self.finished = True
        await self._send(message)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await scope[_ANSWER](scope, receive, send)


