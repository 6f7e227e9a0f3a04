"""Counting HTTP requests, by the template of their route."""

from typing import Final

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from malgil.kit.clock import Clock
from malgil.observe.metrics import Metrics

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"


class MetricsLayer:
    """Pure ASGI. Raw endpoints without a route are counted under `unmatched`; a broken-off request as status 499."""

    def __init__(self, app: ASGIApp, metrics: Metrics, clock: Clock) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock
        self._in_flight = 0
        # Looking a child up by its labels costs more than counting, so each is looked up once.
        self._requests: dict[tuple[str, str, int], Counter] = {}
        self._seconds: dict[tuple[str, str], Histogram] = {}
        metrics.requests_in_flight.set_function(lambda: float(self._in_flight))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = self._clock.monotonic()
        status = 499
        seconds = 0.0

        async def watched(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status = message["status"]
                seconds = self._clock.monotonic() - begun
            await send(message)

        self._in_flight += 1
        try:
            await self._app(scope, receive, watched)
        finally:
            self._in_flight -= 1
            self._count(scope, status, seconds)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # Only after the routing has the scope its route; `path` is the template, as in /sessions/{session_id}.
        route = getattr(scope.get("route"), "path", UNMATCHED)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        requests = self._requests.get((route, method, status))
        if requests is None:
            requests = self._requests[route, method, status] = self._metrics.requests.labels(route, method, status)
        requests.inc()
        if status == 499:
            return
        histogram = self._seconds.get((route, method))
        if histogram is None:
            histogram = self._seconds[route, method] = self._metrics.request_seconds.labels(route, method)
        histogram.observe(seconds)
