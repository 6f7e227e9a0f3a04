"""Counting HTTP requests, by the template of their route."""

from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import Counter, Histogram

from malgil.observe.metrics import Metrics

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"
BROKEN_OFF: Final = 499


class RequestMeter:
    """Raw endpoints without a route are counted under `unmatched`; a broken-off request as status 499."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._in_flight = 0
        # Looking a child up by its labels costs more than counting, so each is looked up once.
        self._requests: dict[tuple[str, str, int], Counter] = {}
        self._seconds: dict[tuple[str, str], Histogram] = {}
        metrics.requests_in_flight.set_function(lambda: float(self._in_flight))

    def enter(self) -> None:
        """A request has come; `leave` must follow."""
        self._in_flight += 1

    def leave(self, scope: Mapping[str, Any], status: int, seconds: float) -> None:
        """The request in `scope` is over; its answer began after `seconds`."""
        self._in_flight -= 1
        # Only after the routing has the scope its route; `path` is the template, as in /sessions/{session_id}.
        route = getattr(scope.get("route"), "path", UNMATCHED)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        requests = self._requests.get((route, method, status))
        if requests is None:
            requests = self._requests[route, method, status] = self._metrics.requests.labels(route, method, status)
        requests.inc()
        if status == BROKEN_OFF:
            return
        histogram = self._seconds.get((route, method))
        if histogram is None:
            histogram = self._seconds[route, method] = self._metrics.request_seconds.labels(route, method)
        histogram.observe(seconds)
